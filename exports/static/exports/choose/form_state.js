// Saves the fields of a form in a value that the browser's history can store, and restores them.
// No DOM: `fields` are the form's elements, or objects like them.

// Hidden fields belong to one page, and buttons have no state.
const IGNORED_TYPES = ["hidden", "submit", "button", "fieldset"];
const BOX_TYPES = ["checkbox", "radio"];

const relevant = (fields) => [...fields].filter(({ name, type }) => name && !IGNORED_TYPES.includes(type));

// Returns [name, type, value] of each field, in the order of the form, also of disabled ones. The
// value of a box is [value, checked], because several boxes may have the same name.
export function saveFields(fields) {
  return relevant(fields).map((field) => {
    if (BOX_TYPES.includes(field.type)) return [field.name, field.type, [field.value, field.checked]];
    if (field.type === "select-multiple") {
      const selected = [...field.options].filter((option) => option.selected);
      return [field.name, field.type, selected.map((option) => option.value)];
    }
    return [field.name, field.type, field.value];
  });
}

// Returns the fields saved in the `state` of a history entry, or null if the page should keep what
// the server sent. They are restored only after the browser's back or forward button, and only for
// the user who left the page: a tab may outlive a session.
export function fieldsToRestore(state, user, navigation) {
  const choice = state?.choice;
  return navigation === "back_forward" && choice?.user === user ? choice.fields : null;
}

// Restores `saved` fields. Fields that the form no longer has, or has with another type, are
// skipped.
export function restoreFields(fields, saved) {
  const candidates = relevant(fields);
  for (const [name, type, value] of saved) {
    const isBox = BOX_TYPES.includes(type);
    const field = candidates.find(
      (each) => each.name === name && each.type === type && (!isBox || each.value === value[0]),
    );
    if (!field) continue;
    const options = [...(field.options ?? [])];
    if (isBox) field.checked = value[1];
    else if (type === "select-multiple") {
      for (const option of options) option.selected = value.includes(option.value);
    } else if (type !== "select-one" || options.some((option) => option.value === value)) {
      field.value = value; // A select without this option would become empty.
    }
  }
}

// Returns the names of the columns in their saved order. Each column has a field for its header.
export function columnOrder(saved) {
  const prefix = "header-";
  const names = saved.map(([name]) => name);
  return names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
}
