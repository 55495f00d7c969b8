//! Where secret values come from: directories, the environment, a local vault. Never in logs.
