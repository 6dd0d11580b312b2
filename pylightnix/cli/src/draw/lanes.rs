//! Draws the lines beside a list of boxes, as `git log --graph` does, with dependencies above.
//!
//! A lane is a column for results with the same dependents. So a result with a thousand dependents
//! takes one column, and so do a thousand results with one common dependent.

use std::collections::BTreeSet;

use super::model::Picture;

/// One row of the drawing.
pub(super) struct Row {
    /// The lines, two characters for each column, without trailing spaces.
    pub(super) lanes: Vec<char>,
    /// The box in this row, and the position of its symbol in `lanes`.
    pub(super) symbol: Option<(usize, usize)>,
}

/// Returns the rows of a picture, or `None` if they take more columns than `most`.
pub(super) fn rows(picture: &Picture, most: usize) -> Option<Vec<Row>> {
    let (_, out) = picture.neighbours();
    let mut lanes = Lanes::default();
    for (at, consumers) in out.iter().enumerate() {
        lanes.draw(at, consumers.iter().copied().collect());
        if lanes.columns.len() > most {
            return None;
        }
    }
    Some(lanes.rows)
}

#[derive(Default)]
struct Lanes {
    /// For each column, the boxes that its lane still leads to; empty for a free column.
    columns: Vec<BTreeSet<usize>>,
    rows: Vec<Row>,
    /// The column of a box without dependents in the last row.
    dead_end: Option<usize>,
}

/// The part of a column in a row.
#[derive(Clone, Copy, PartialEq)]
enum Segment {
    /// The column is free.
    Free,
    /// Its lane passes.
    Pass,
    /// Its lane passes, and a line joins it to the other joined columns of the row.
    Fork,
    /// Its lane ends, and a line joins it to the other joined columns of the row.
    End,
    /// It contains the symbol of a box, and a line joins it to the other joined columns of the row.
    Symbol,
}

impl Lanes {
    fn draw(&mut self, at: usize, consumers: BTreeSet<usize>) {
        let mut parts = self.passing();
        for (lane, part) in self.columns.iter_mut().zip(&mut parts) {
            if lane.remove(&at) {
                *part = if lane.is_empty() {
                    Segment::End
                } else {
                    Segment::Fork
                };
            }
        }
        // Below a lane that ends in it, else in the first free column.
        let ended = parts.iter().position(|part| *part == Segment::End);
        let free = || parts.iter().position(|part| *part == Segment::Free);
        let own = ended.or_else(free).unwrap_or(parts.len());
        if own == parts.len() {
            parts.push(Segment::Free);
            self.columns.push(BTreeSet::new());
        }
        if self.dead_end == Some(own) {
            // A box right below a dead end would look connected to it.
            let passing = parts.iter().map(|part| match part {
                Segment::Free => Segment::Free,
                _ => Segment::Pass,
            });
            let passing: Vec<_> = passing.collect();
            self.push(&passing, None);
        }
        parts[own] = Segment::Symbol;
        self.push(&parts, Some(at));
        self.dead_end = consumers.is_empty().then_some(own);
        self.lead_on(at, own, consumers);
        while self.columns.last().is_some_and(BTreeSet::is_empty) {
            self.columns.pop();
        }
    }

    /// Leads the result of a box to its dependents: in a lane with the same dependents, or in a new one.
    fn lead_on(&mut self, at: usize, own: usize, consumers: BTreeSet<usize>) {
        let along = self.columns.iter().position(|lane| *lane == consumers);
        let ends_at_once = consumers.len() == 1 && consumers.contains(&(at + 1));
        match along {
            Some(other) if !consumers.is_empty() && !ends_at_once => {
                let mut parts = self.passing();
                parts[own] = Segment::End;
                parts[other] = Segment::Fork;
                self.push(&parts, None);
            }
            _ => self.columns[own] = consumers,
        }
    }

    fn passing(&self) -> Vec<Segment> {
        let part = |lane: &BTreeSet<usize>| {
            if lane.is_empty() {
                Segment::Free
            } else {
                Segment::Pass
            }
        };
        self.columns.iter().map(part).collect()
    }

    fn push(&mut self, parts: &[Segment], at: Option<usize>) {
        let joined =
            |part: &Segment| matches!(part, Segment::Fork | Segment::End | Segment::Symbol);
        let first = parts.iter().position(joined).unwrap_or(0);
        let last = parts.iter().rposition(joined).unwrap_or(0);
        let mut lanes = Vec::with_capacity(2 * parts.len());
        for (column, part) in parts.iter().enumerate() {
            let (left, right) = (column > first, column < last);
            lanes.push(match (part, left, right) {
                (Segment::Free, true, true) => '─',
                (Segment::Free, ..) => ' ',
                // A passing lane is not joined: the line goes under it.
                (Segment::Pass, ..) => '│',
                (Segment::Fork, false, _) => '├',
                (Segment::Fork, true, false) => '┤',
                (Segment::Fork, true, true) => '┼',
                (Segment::End, false, _) => '╰',
                (Segment::End, true, false) => '╯',
                (Segment::End, true, true) => '┴',
                (Segment::Symbol, ..) => '●',
            });
            lanes.push(if column >= first && right { '─' } else { ' ' });
        }
        while lanes.last() == Some(&' ') {
            lanes.pop();
        }
        let place = parts.iter().position(|part| *part == Segment::Symbol);
        let symbol = at.zip(place).map(|(at, column)| (at, 2 * column));
        self.rows.push(Row { lanes, symbol });
    }
}
