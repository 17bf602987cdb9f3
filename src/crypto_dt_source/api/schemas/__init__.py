"""Response schemas, for the OpenAPI document and the tests. `null` always means: no upstream delivered it."""
