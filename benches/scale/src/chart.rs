use std::fmt;

use serde_json::{Value, json};

use crate::{measure::Point, unit::Unit};

/// What was measured of one thing at several sizes: what a plot is drawn from.
#[derive(Debug)]
pub(crate) struct Chart {
    /// Its file's name, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What is to be known to read it, in at most two lines.
    pub(crate) notes: Vec<String>,
    pub(crate) size: Scale,
    pub(crate) figure: Scale,
    pub(crate) lines: Vec<Line>,
}

/// What an axis is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
}

/// How one figure grows.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<Point>,
}

impl Line {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            points: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, point: Point) {
        self.points.push(point);
    }
}

impl Chart {
    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.lines.iter().flat_map(|line| &line.points)
    }

    pub(crate) fn to_json(&self) -> Value {
        let scale = |scale: &Scale| json!({"label": scale.label, "unit": scale.unit.code()});
        let point = |point: &Point| {
            json!({
                "size": point.size,
                "median": point.median,
                "min": point.min,
                "max": point.max,
            })
        };
        let line = |line: &Line| {
            let points: Value = line.points.iter().map(point).collect();
            json!({"name": line.name, "points": points})
        };
        let lines: Value = self.lines.iter().map(line).collect();
        json!({
            "name": self.name,
            "title": self.title,
            "notes": self.notes,
            "size": scale(&self.size),
            "figure": scale(&self.figure),
            "lines": lines,
        })
    }
}

impl fmt::Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.title)?;
        for line in &self.lines {
            write!(f, "  {}:", line.name)?;
            for point in &line.points {
                let size = self.size.unit.format(point.size);
                let figure = self.figure.unit.format(point.median);
                write!(f, "  {size} → {figure}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
