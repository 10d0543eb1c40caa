/* The rows of the table in wf_route.h, as
 *   R(name, method, path, least role, scopes of a key, flags, summary)
 * Included several times, each time with another R; so it has no include guard. mod_wflows_admin has a handler
 * wfa_<name> for each, or it does not link. */

/* ---- companies ---------------------------------------------------------------------------------- */
R(company_list, GET, "/companies", LEITURA, READ(COMPANIES), 0, "The companies the caller can see")
R(company_get, GET, "/companies/{companyId}", LEITURA, READ(COMPANIES), 0, "One company")
