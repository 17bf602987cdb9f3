// The OpenAPI document as a list of routes with what a form needs of each.

const METHODS = ["get", "post", "put", "patch", "delete"];

/** `{id, method, path, tag, summary, about, secured, parameters, body, text}` of every operation, in the document's order. */
export function routesOf(document) {
  const routes = [];
  for (const [path, operations] of Object.entries(document.paths ?? {})) {
    for (const name of METHODS) {
      if (operations[name]) routes.push(route(path, name.toUpperCase(), operations[name], document));
    }
  }
  return routes;
}

function route(path, method, operation, document) {
  const tag = operation.tags?.[0] ?? "other";
  const summary = operation.summary ?? path;
  const about = (operation.description ?? "").split(/\n\s*\n/).map((part) => part.replaceAll(/\s+/g, " ").trim()).filter(Boolean);
  return {
    id: `${method} ${path}`, method, path, tag, summary, about,
    // An empty one among them means that the route answers without a key too.
    secured: Boolean(operation.security?.length) && operation.security.every((way) => Object.keys(way).length > 0),
    parameters: (operation.parameters ?? []).filter((each) => each.in === "path" || each.in === "query").map(parameter),
    body: body(operation.requestBody, document),
    text: `${method} ${path} ${tag} ${summary} ${about.join(" ")}`.toLowerCase(),
  };
}

function parameter(given) {
  const schema = given.schema ?? {};
  const kind = (schema.anyOf ?? [schema]).find((each) => each.type !== "null") ?? schema;
  const example = schema.examples?.[0] ?? given.example ?? null;
  return {
    name: given.name, place: given.in, required: Boolean(given.required), about: given.description ?? schema.description ?? "",
    type: kind.type ?? "string", options: kind.enum ?? null, least: kind.minimum ?? null, most: kind.maximum ?? null, longest: kind.maxLength ?? null,
    standard: schema.default ?? null, example,
  };
}

function body(given, document) {
  const [type, content] = Object.entries(given?.content ?? {})[0] ?? [];
  if (!type) return null;
  const example = content.example ?? exampleOf(content.schema, document);
  const text = typeof example === "string" ? example : JSON.stringify(example ?? {}, null, 2);
  return { type, text, required: Boolean(given.required), fields: fields(content.schema, document) };
}

function resolved(schema, document) {
  const name = schema?.$ref?.replace("#/components/schemas/", "");
  return name ? (document.components?.schemas?.[name] ?? {}) : (schema ?? {});
}

function exampleOf(schema, document) {
  const full = resolved(schema, document);
  return full.example ?? full.examples?.[0] ?? (full.type === "string" ? "" : {});
}

/** The fields of an object that is sent: name, whether it must be there, what it is. */
function fields(schema, document) {
  const full = resolved(schema, document);
  const required = new Set(full.required ?? []);
  return Object.entries(full.properties ?? {}).map(([name, given]) => {
    const kind = (given.anyOf ?? [given]).find((each) => each.type !== "null") ?? given;
    return { name, required: required.has(name), about: given.description ?? kind.description ?? resolved(kind, document).description ?? "" };
  });
}
