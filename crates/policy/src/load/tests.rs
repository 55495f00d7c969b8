mod forms;
mod headers;
mod hostile;
mod positions;
mod rendering;
