//! Tables, columns, indexes, constraints and statistics as plain data.
