mod forms;
mod hostile;
mod positions;
mod rendering;
