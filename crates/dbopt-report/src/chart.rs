//! Charts of amounts over time.

use crate::document::Style;

/// Amounts side by side, each a column in which the series stand on one another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chart {
    /// What it shows, with the unit of the amounts.
    pub title: String,
    /// The columns, by their names in reading order.
    pub columns: Vec<String>,
    /// What stands in the columns, from the bottom up.
    pub series: Vec<Series>,
}

/// One of the amounts in each column.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// How it is shown.
    pub style: Style,
    /// As many as there are columns; not negative.
    pub values: Vec<f64>,
}

impl Chart {
    /// A chart without series.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { title: title.into(), columns: columns.into_iter().map(Into::into).collect(), series: Vec::new() }
    }

    /// The same chart with a further series on top; values are cut or filled up with nothing to fit the columns.
    #[must_use]
    pub fn series(mut self, name: impl Into<String>, style: Style, values: impl IntoIterator<Item = f64>) -> Self {
        let sane = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        let mut values: Vec<f64> = values.into_iter().take(self.columns.len()).map(sane).collect();
        values.resize(self.columns.len(), 0.0);
        self.series.push(Series { name: name.into(), style, values });
        self
    }

    /// The height of the highest column.
    pub(crate) fn most(&self) -> f64 {
        (0..self.columns.len()).map(|column| self.total(column)).fold(0.0, f64::max)
    }

    fn total(&self, column: usize) -> f64 {
        self.series.iter().map(|series| series.values[column]).sum()
    }

    /// The cells of a column from the bottom up, each with the series that it shows. A series that is not nothing has at least one
    /// cell, so that one refusal among thousands is seen.
    pub(crate) fn cells(&self, column: usize, height: usize) -> Vec<Option<usize>> {
        let most = self.most();
        let mut cells = Vec::with_capacity(height);
        let (mut sum, mut last) = (0.0, None);
        for (at, series) in self.series.iter().enumerate() {
            let value = series.values[column];
            if value <= 0.0 {
                continue;
            }
            sum += value;
            last = Some(at);
            let end = ((sum / most * height as f64).round() as usize).max(cells.len() + 1).min(height);
            cells.resize(end, Some(at));
        }
        // Where a column is full already, the series on top takes the cell below it.
        if let (Some(top), Some(at)) = (cells.last_mut(), last) {
            *top = Some(at);
        }
        cells.resize(height, None);
        cells
    }
}

/// The sign of a series where there is no colour.
pub(crate) fn sign(at: usize) -> char {
    ['█', '░', '▓', '▒'][at % 4]
}

/// The lines of a chart, each of a label and cells.
pub(crate) fn lines(chart: &Chart, height: usize) -> Vec<(String, Vec<Option<usize>>)> {
    let label = |at: usize| match at {
        0 => "0".to_owned(),
        at if at + 1 == height => crate::number::count(chart.most()),
        _ => String::new(),
    };
    let columns: Vec<_> = (0..chart.columns.len()).map(|column| chart.cells(column, height)).collect();
    (0..height).rev().map(|at| (label(at), columns.iter().map(|cells| cells[at]).collect())).collect()
}

/// The line under the cells: the names of the first and last column.
pub(crate) fn axis(chart: &Chart) -> String {
    match (chart.columns.first(), chart.columns.last()) {
        (Some(first), Some(last)) if chart.columns.len() > 1 => {
            let space = chart.columns.len().saturating_sub(first.chars().count() + last.chars().count()).max(1);
            format!("{first}{}{last}", " ".repeat(space))
        }
        (Some(only), _) => only.clone(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(chart: &Chart, height: usize) -> Vec<String> {
        let cell = |cell: &Option<usize>| cell.map_or(' ', sign);
        lines(chart, height)
            .iter()
            .map(|(label, cells)| format!("{label}|{}", cells.iter().map(cell).collect::<String>()))
            .collect()
    }

    #[test]
    fn series_stand_on_one_another() {
        let chart = Chart::new("requests", ["a", "b", "c"]).series("in", Style::Plain, [4.0, 2.0, 0.0]);
        let chart = chart.series("out", Style::Bad, [4.0, 0.0, 8.0]);
        assert_eq!(drawn(&chart, 4), ["8|░ ░", "|░ ░", "|█ ░", "0|██░"]);
        assert_eq!(axis(&chart), "a c");
    }

    #[test]
    fn a_little_is_seen_and_nonsense_is_nothing() {
        let chart = Chart::new("", ["a", "b"]).series("in", Style::Plain, [1000.0, f64::NAN, 3.0]);
        let chart = chart.series("out", Style::Bad, [1.0]);
        assert_eq!(drawn(&chart, 2), ["1,001|░ ", "0|█ "]);
        assert_eq!(drawn(&Chart::new("", ["a"]), 1), ["0| "]);
    }
}
