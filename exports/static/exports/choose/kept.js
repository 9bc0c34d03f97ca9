// What somebody has chosen in a form, as something that an entry of the history can keep, and
// put back. No DOM: `fields` are the form's elements, or what looks like them.

// Not what the server gives each page anew, nor what a button says.
const OTHERS = ["hidden", "submit", "button", "fieldset"];
const TICKED = ["checkbox", "radio"];

const of = (fields) => [...fields].filter((field) => field.name && !OTHERS.includes(field.type));

// [name, type, what it says], in the order of the form; also of those that are disabled. A box
// says which of its name it is, and whether it is ticked.
export function keep(fields) {
  return of(fields).map((field) => {
    if (TICKED.includes(field.type)) return [field.name, field.type, [field.value, field.checked]];
    if (field.type === "select-multiple") {
      const chosen = [...field.options].filter((option) => option.selected);
      return [field.name, field.type, chosen.map((option) => option.value)];
    }
    return [field.name, field.type, field.value];
  });
}

// What of the `state` of an entry is to be put back: for who comes back to it by a button of the
// browser, and has left it themselves. A tab outlives who is signed in, and who loads a page anew,
// or follows a link to it, asks for what the server has.
export function foundAgain(state, user, navigation) {
  const choice = state?.choice;
  return navigation === "back_forward" && choice?.user === user ? choice.fields : null;
}

// Fields that the form has no more, or has of another type, are left out; new ones stay.
export function putBack(fields, kept) {
  const there = of(fields);
  for (const [name, type, says] of kept) {
    const isBox = TICKED.includes(type);
    const field = there.find(
      (each) =>
        each.name === name && each.type === type && (!isBox || each.value === says[0]),
    );
    if (!field) continue;
    const options = [...(field.options ?? [])];
    if (isBox) field.checked = says[1];
    else if (type === "select-multiple") {
      for (const option of options) option.selected = says.includes(option.value);
    } else if (type !== "select-one" || options.some((option) => option.value === says)) {
      field.value = says; // What a list has no more would leave it empty.
    }
  }
}

// The columns in their order, of the names of fields: each has one with its header.
export function columnsOf(kept) {
  const header = "header-";
  const names = kept.map(([name]) => name);
  return names.filter((name) => name.startsWith(header)).map((name) => name.slice(header.length));
}
