/* Finding the company, account or flow that a command is about, and saying plainly which one is
 * missing. */
#include "wfc.h"

const char *wfc_id(const wf_json_t *record)
{
    return wf_json_get_str(record, "id", "");
}

static const char *slug_of(const wf_json_t *company)
{
    return wf_json_get_str(company, "slug", wfc_id(company));
}

/* The store's plain miss, said in the operator's words. */
static wf_status_t missing(wfc_t *c, const char *what, const char *hint)
{
    wf_ctx_clear(c->ctx);
    c->hint = hint;
    return wf_fail_public(c->ctx, WF_ENOTFOUND, WFLOGNO(4040) "there is no %s", what);
}

wf_status_t wfc_company(wfc_t *c, wf_json_t **out, const char *which)
{
    wf_status_t st = wf_company_find(c->ctx, out, c->store, which);

    if (st == WF_ENOTFOUND) {
        return missing(c, apr_psprintf(c->pool, "company '%s'", which),
                       "'wflowsctl company list' shows them; 'wflowsctl company add' makes one.");
    }
    return st;
}

wf_status_t wfc_account(wfc_t *c, wf_json_t **out, const wf_json_t *company, const char *which)
{
    const char *slug = slug_of(company);
    wf_json_t *all = NULL;
    wf_status_t st;
    size_t i;

    *out = NULL;
    if (which) {
        st = wf_account_find(c->ctx, out, c->store, wfc_id(company), which);
        if (st == WF_ENOTFOUND) {
            return missing(
                c, apr_psprintf(c->pool, "account '%s' in company '%s'", which, slug),
                apr_psprintf(c->pool, "'wflowsctl account list --company %s' shows them.", slug));
        }
        return st;
    }
    st = wf_account_list(c->ctx, &all, c->store, wfc_id(company));
    if (st != WF_OK) {
        return st;
    }
    for (i = 0; i < wf_json_len(all); i++) {
        if (wf_json_get_bool(wf_json_at(all, i), "is_default", 0)) {
            *out = wf_json_at(all, i);
            return WF_OK;
        }
    }
    return missing(c, apr_psprintf(c->pool, "default account in company '%s'", slug),
                   wf_json_len(all) ? "Name one with --account, or 'wflowsctl account set-default'."
                                    : "'wflowsctl account add' makes one.");
}

wf_status_t wfc_flow(wfc_t *c, wf_json_t **out, const wf_json_t *company, const char *which)
{
    wf_status_t st = wf_flow_find(c->ctx, out, c->store, wfc_id(company), which);

    if (st == WF_ENOTFOUND) {
        return missing(c,
                       apr_psprintf(c->pool, "flow '%s' in company '%s'", which, slug_of(company)),
                       apr_psprintf(c->pool, "'wflowsctl flow list --company %s' shows them.",
                                    slug_of(company)));
    }
    return st;
}
