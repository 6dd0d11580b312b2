//! A part of a table of comma-separated values.

/// The number of rows of a page.
const ROWS: usize = 100;
/// The most columns that are shown.
const COLUMNS: usize = 200;

/// A page of a table.
pub(crate) struct CsvTable {
    pub(crate) headings: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
    /// The number of the first row of the page, from 0.
    pub(crate) first: usize,
    pub(crate) all: usize,
    pub(crate) page: usize,
    pub(crate) pages: usize,
    /// The number of columns that are left out.
    pub(crate) left_out: usize,
}

impl CsvTable {
    /// Reads the page with this number, from 1.
    pub(crate) fn read(bytes: &[u8], between: u8, page: usize) -> Result<Self, csv::Error> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(between)
            .flexible(true)
            .from_reader(bytes);
        let texts = |record: &csv::ByteRecord| {
            let cells = record.iter().take(COLUMNS);
            cells
                .map(|cell| String::from_utf8_lossy(cell).into_owned())
                .collect()
        };
        let headings = reader.byte_headers()?.clone();
        let first = page.max(1).saturating_sub(1).saturating_mul(ROWS);
        let (mut rows, mut all) = (Vec::new(), 0);
        let mut record = csv::ByteRecord::new();
        while reader.read_byte_record(&mut record)? {
            if (first..first.saturating_add(ROWS)).contains(&all) {
                rows.push(texts(&record));
            }
            all += 1;
        }
        Ok(CsvTable {
            left_out: headings.len().saturating_sub(COLUMNS),
            headings: texts(&headings),
            rows,
            first,
            all,
            page: page.max(1),
            pages: all.div_ceil(ROWS).max(1),
        })
    }
}
