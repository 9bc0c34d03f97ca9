// node read.cjs READER FILE: what a reader from npm finds in a workbook or in a packed file. A
// line of JSON for each row of the first sheet, with times as milliseconds; or the very text.

const fs = require("node:fs");

const TEXT = {
  // What browsers have, too.
  async DecompressionStream(path) {
    const packed = new Blob([fs.readFileSync(path)]).stream();
    return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).text();
  },
};

const ROWS = {
  async exceljs(path) {
    const ExcelJS = require("exceljs");
    const book = new ExcelJS.Workbook();
    await book.xlsx.readFile(path);
    const rows = [];
    // Its columns are counted from 1.
    book.worksheets[0].eachRow({ includeEmpty: true }, (row) => rows.push(row.values.slice(1)));
    return rows;
  },
  async sheetjs(path) {
    const XLSX = require("xlsx");
    const book = XLSX.readFile(path, { dense: true, cellDates: false });
    const sheet = book.Sheets[book.SheetNames[0]];
    return XLSX.utils.sheet_to_json(sheet, { header: 1, raw: true, defval: null });
  },
  async "read-excel-file"(path) {
    const { readSheet } = require("read-excel-file/node");
    return await readSheet(path, { trim: false });
  },
};

async function main([reader, path]) {
  if (reader in TEXT) {
    process.stdout.write(await TEXT[reader](path));
    return;
  }
  const lines = [];
  for (const row of await ROWS[reader](path)) {
    // An array with holes has null in them then.
    lines.push(JSON.stringify(Array.from(row, plain)));
  }
  process.stdout.write(lines.join("\n") + "\n");
}

function plain(value) {
  return value instanceof Date ? { ms: value.getTime() } : (value ?? null);
}

main(process.argv.slice(2));
