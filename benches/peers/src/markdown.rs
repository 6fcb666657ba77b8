use std::fmt;

use crate::{
    measure::{Figure, Row, Unit},
    recorded,
    report::{ONCE, Report, Suite, format_number},
};

/// A report as the tables of `docs/PERFORMANCE.md`: a line for each row.
pub(crate) struct Markdown<'a>(pub(crate) &'a Report);

/// The suite that has a table of its own: the same contestants, and as many rows as there are files.
const REAL_MEMORY: &str = "real-memory";

impl fmt::Display for Markdown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { machine, quick, .. } = self.0;
        writeln!(f, "- **Machine:** {machine}")?;
        writeln!(f, "- **Rivals:** {}", self.0.rivals_line())?;
        if *quick {
            writeln!(f, "- {ONCE}")?;
        }
        self.beside_rivals(f)?;
        self.real_memory(f)?;
        recorded(f)
    }
}

impl Markdown<'_> {
    fn beside_rivals(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0.others();
        write!(f, "\n## Beside its rivals\n\n")?;
        write!(f, "| work | headwater | rivals | ratio |")?;
        for column in columns {
            write!(f, " {} | ratio |", column.allocator)?;
        }
        write!(f, "\n| --- | --- | --- | --- |")?;
        writeln!(f, "{}", " --- | --- |".repeat(columns.len()))?;
        let suites = self.0.suites().iter();
        let suites = suites.filter(|suite| suite.name != REAL_MEMORY);
        for row in suites.flat_map(|suite| &suite.rows) {
            let rivals = row.figures.iter().skip(1);
            let rivals = rivals.map(|rival| format!("{} {}", rival.name(), number(row, rival)));
            let rivals = rivals.collect::<Vec<_>>().join("; ");
            write!(
                f,
                "| {} | {} | {rivals} | {} |",
                row.work,
                ours(row),
                ratios(row)
            )?;
            for column in columns {
                match column.row(&row.work) {
                    Some(row) => write!(f, " {} | {} |", ours(row), ratios(row))?,
                    None => write!(f, " | |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn real_memory(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut suites = self.0.suites().iter();
        let Some(Suite { rows, .. }) = suites.find(|suite| suite.name == REAL_MEMORY) else {
            return Ok(());
        };
        let Some(first) = rows.first() else {
            return Ok(());
        };
        write!(f, "\n## Memory\n\n| document |")?;
        for figure in &first.figures {
            write!(f, " {} |", figure.contestant)?;
        }
        writeln!(f, "\n| --- |{}", " --- |".repeat(first.figures.len()))?;
        for row in rows {
            let (_, document) = row.work.rsplit_once(", ").unwrap_or(("", &row.work));
            write!(f, "| {document} |")?;
            for figure in &row.figures {
                write!(f, " {:.2} |", figure.median)?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

fn recorded(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\n## Recorded of Node's libraries\n\n")?;
    writeln!(f, "| work | library | recorded |\n| --- | --- | --- |")?;
    for figure in &recorded::FIGURES {
        writeln!(f, "| {} |", figure.cells().join(" | "))?;
    }
    Ok(())
}

fn ours(row: &Row) -> String {
    let ours = row.figures.first();
    ours.map_or_else(String::new, |ours| number(row, ours))
}

fn number(row: &Row, figure: &Figure) -> String {
    format_number(row.unit, figure.median)
}

/// In the order of the rivals; a dash where it is a variant of ours.
fn ratios(row: &Row) -> String {
    let ratio = |figure| {
        let ratio = row.ratio(figure);
        ratio.map_or_else(|| "–".to_owned(), |ratio| format_number(Unit::Times, ratio))
    };
    let ratios: Vec<_> = row.figures.iter().skip(1).map(ratio).collect();
    ratios.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::joined;

    #[test]
    fn a_row_has_ours_the_rivals_and_their_ratios_in_each_column() {
        let report = joined([
            ("mimalloc", "a", "work"),
            ("system", "b", "more work"),
            ("system", REAL_MEMORY, "memory over text, a.json"),
        ]);
        let text = Markdown(&report).to_string();
        for line in [
            "| work | headwater | rivals | ratio | mimalloc | ratio |",
            "| --- | --- | --- | --- | --- | --- |",
            "| work | 10.0 ns | headwater, with more 20.0 ns; another 30.0 ns; a third (recorded) 5.00 ns | –; 3.00 ×; 0.50 × | 15.0 ns | –; 2.00 ×; 0.33 × |",
            "| more work | 15.0 ns | headwater, with more 30.0 ns; another 30.0 ns; a third (recorded) 5.00 ns | –; 2.00 ×; 0.33 × | | |",
            "| document | headwater | headwater, with more | another | a third |",
            "| a.json | 15.00 | 30.00 | 30.00 | 5.00 |",
            "| parse, 1 MB | JSON.parse | 3.70 ms |",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
