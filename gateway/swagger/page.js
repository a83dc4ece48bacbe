// Shows the description of the server API, and tries its methods.

const description = await (await fetch("openapi.json")).json();
const [{ url: prefix }] = description.servers;
const methods = document.getElementById("methods");

function element(name, text = "") {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** Rows of a schema's members: name, type, what it is. */
function members(schema) {
  const table = element("table");
  for (const [name, member] of Object.entries(schema.properties)) {
    const row = element("tr");
    const type = member.type ?? member.$ref?.split("/").at(-1) ?? "any";
    row.append(element("th", name), element("td", type), element("td", member.description ?? ""));
    table.append(row);
  }
  return table;
}

/** A body with the members that a request must have. */
function example(schema) {
  const required = schema.required ?? [];
  const values = { array: [], string: "" };
  return Object.fromEntries(required.map((name) => [name, values[schema.properties[name].type] ?? {}]));
}

async function call(path, body) {
  const headers = { "Content-Type": "application/json", "X-API-Key": document.getElementById("key").value };
  const answer = await fetch(prefix + path, { method: "POST", headers, body });
  return `${answer.status}\n${await answer.text()}`;
}

for (const [path, { post }] of Object.entries(description.paths)) {
  const { schema } = post.requestBody.content["application/json"];
  const method = element("details");
  const [body, button, answer] = [element("textarea"), element("button", "Send"), element("pre")];
  body.rows = 4;
  body.ariaLabel = `Body of ${path}`;
  body.value = JSON.stringify(example(schema), null, 1);
  button.addEventListener("click", async () => {
    answer.textContent = await call(path, body.value).catch((error) => String(error));
  });
  method.append(element("summary", `${path}: ${post.summary}`), members(schema), body, button, answer);
  methods.append(method);
}
