use std::fmt;

use comfy_table::{CellAlignment, presets};

use crate::{
    measure::{Figure, Row, Unit},
    recorded,
    report::{Report, format_number},
};

/// A report for a terminal: a line for each figure.
pub(crate) struct Table<'a>(pub(crate) &'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = ["work", "by", "median", "min", "max", "ratio"].map(str::to_owned);
        let more = self.0.others().iter().flat_map(|column| {
            let ratio = format!("ratio, {}", column.allocator);
            [column.allocator.clone(), ratio]
        });
        let mut measured = table(header.into_iter().chain(more));
        for row in self.0.suites().iter().flat_map(|suite| &suite.rows) {
            for (index, figure) in row.figures.iter().enumerate() {
                let more = self.0.others().iter().flat_map(|column| {
                    let row = column.row(&row.work);
                    row.map_or_else(Default::default, |row| again(row, figure))
                });
                let cells = cells(row, figure, index == 0);
                measured.add_row(cells.into_iter().chain(more));
            }
        }
        writeln!(f, "{measured}")?;
        let header = ["recorded, not in this run", "by", "median"];
        let mut recorded = table(header.map(str::to_owned));
        for figure in &recorded::FIGURES {
            recorded.add_row(figure.cells());
        }
        writeln!(f, "{recorded}")
    }
}

/// An empty table, the first two columns of which are names.
fn table(header: impl IntoIterator<Item = String>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The first of a row's figures, which is ours, also says what the work is.
fn cells(row: &Row, figure: &Figure, first: bool) -> [String; 6] {
    let number = |number| format_number(row.unit, number);
    let spread = |bound| {
        if figure.min < figure.max {
            number(bound)
        } else {
            String::new()
        }
    };
    [
        if first {
            row.work.clone()
        } else {
            String::new()
        },
        figure.name(),
        number(figure.median),
        spread(figure.min),
        spread(figure.max),
        ratio(row, figure),
    ]
}

/// The same figure in another column's row: its median and its ratio there.
fn again(row: &Row, figure: &Figure) -> [String; 2] {
    let figure = row.by(&figure.contestant);
    figure.map_or_else(Default::default, |figure| {
        [format_number(row.unit, figure.median), ratio(row, figure)]
    })
}

fn ratio(row: &Row, figure: &Figure) -> String {
    let ratio = row.ratio(figure);
    ratio.map_or_else(String::new, |ratio| format_number(Unit::Times, ratio))
}
