/* wflowsctl audit: what was done, and proof that its record was not changed. */
#include "wfc.h"

#include "store/wf_audit_store.h"

#include <string.h>

static const wfc_option_t list_options[] = {
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "of this company; else of the platform itself"},
    {"action", 0, WFC_TEXT, 0, "ACTION", "only such rows: company.suspended, …"},
    {"limit", 0, WFC_TEXT, 0, "N", "so many, the newest (otherwise 50)"},
    WFC_OPTION_END};
static const wfc_option_t verify_options[] = {
    {"company", 'C', WFC_TEXT, 0, "SLUG|ID", "of this company; else of all, and of the platform"},
    {"expect", 0, WFC_TEXT, 0, "SEQ:HASH", "what an earlier run printed for this company"},
    WFC_OPTION_END};

static const wfc_column_t list_columns[] = {
    {"SEQ", "/seq", 1},           {"AT", "/created_at", 0},
    {"ACTOR", "/actor", 0},       {"ACTION", "/action", 0},
    {"RESOURCE", "/resource_id", 0}, {"ADDRESS", "/ip_address", 0},
    {NULL, NULL, 0}};
static const wfc_column_t verify_columns[] = {
    {"COMPANY", "/company", 0}, {"ROWS", "/rows", 1},          {"ERASED", "/erased", 1},
    {"BROKEN AT", "/broken_seq", 1}, {"REASON", "/reason", 0}, {"END", "/end", 0},
    {NULL, NULL, 0}};

/* The id that --company names. An id need not be known: audit rows outlive their company. */
static wf_status_t chain_named(wfc_t *c, wf_audit_chain_t *chain, const char *which)
{
    wf_json_t *company = NULL;
    wf_status_t st;

    if (wf_uuid_is(which)) {
        unsigned char bytes[16];
        wf_uuid_decode(bytes, which);
        wf_uuid_encode(chain->company_id, bytes);
        chain->slug = NULL;
        return WF_OK;
    }
    if ((st = wfc_company(c, &company, which)) == WF_OK) {
        apr_cpystrn(chain->company_id, wfc_id(company), sizeof(chain->company_id));
        chain->slug = which;
    }
    return st;
}

/* ---- list ------------------------------------------------------------------------------------ */

static wf_status_t run_list(wfc_t *c)
{
    wf_audit_chain_t chain = {WF_AUDIT_PLATFORM, NULL};
    wf_json_t *rows = NULL;
    int64_t limit;
    wf_status_t st = wfc_int_opt(c, &limit, "limit", 50, 1, 1000);

    if (st == WF_OK && wfc_opt(c, "company")) {
        st = chain_named(c, &chain, wfc_opt(c, "company"));
    }
    if (st == WF_OK) {
        st = wf_audit_recent(c->ctx, &rows, c->store, chain.company_id, wfc_opt(c, "action"),
                             (int)limit);
    }
    if (st == WF_OK) {
        wfc_print_list(c, rows, list_columns, "There is no such row.");
    }
    return st;
}

/* ---- verify ---------------------------------------------------------------------------------- */

static wf_status_t read_mark(wfc_t *c, wf_audit_mark_t *mark, const char *text)
{
    const char *colon = strchr(text, ':');
    unsigned char hash[WF_SHA256_LEN];

    if (!colon || strlen(colon + 1) != 2 * sizeof(hash) ||
        !wf_hex_decode(hash, colon + 1, sizeof(hash)) ||
        !wf_parse_int(&mark->seq, apr_pstrndup(c->pool, text, (size_t)(colon - text)), 1,
                      INT64_MAX)) {
        return wfc_usage(c, "--expect: SEQ:HASH is wanted, as 'audit verify' prints it under END");
    }
    apr_cpystrn(mark->hash, wf_hex(c->pool, hash, sizeof(hash)), sizeof(mark->hash));
    return WF_OK;
}

static void push_result(wfc_t *c, wf_json_t *rows, const wf_audit_chain_t *chain,
                        const wf_audit_check_t *check)
{
    wf_json_t *row = wf_json_object_make(c->pool);
    int is_platform = strcmp(chain->company_id, WF_AUDIT_PLATFORM) == 0;

    wf_json_set_str(row, "company", chain->slug    ? chain->slug
                                    : is_platform ? "(platform)"
                                                  : chain->company_id);
    wf_json_set_str(row, "company_id", chain->company_id);
    wf_json_set_bool(row, "ok", check->reason == NULL);
    wf_json_set_int(row, "rows", check->rows);
    wf_json_set_int(row, "erased", check->erased);
    if (check->reason) {
        wf_json_set_int(row, "broken_seq", check->broken_seq);
        wf_json_set_str(row, "reason", check->reason);
    } else if (check->rows > 0) {
        wf_json_set_str(row, "end",
                        apr_psprintf(c->pool, "%" APR_INT64_T_FMT ":%s", (apr_int64_t)check->seq,
                                     check->hash));
    }
    wf_json_push(rows, row);
}

static wf_status_t verify(wfc_t *c, wf_json_t *rows, const wf_audit_chain_t *chain,
                          const wf_audit_mark_t *mark)
{
    wf_audit_check_t check;
    wf_status_t st = wf_audit_verify(c->ctx, &check, c->store, chain->company_id, mark);

    if (st == WF_OK) {
        push_result(c, rows, chain, &check);
        if (check.reason) {
            c->exit_code = WFC_EXIT_FAILED;
        }
    }
    return st;
}

static wf_status_t verify_all(wfc_t *c, wf_json_t *rows)
{
    wf_audit_chain_t chain = {"", NULL};
    int more = 1;
    wf_status_t st = WF_OK;

    while (st == WF_OK && more) {
        st = wf_audit_next_chain(c->ctx, &more, c->store, &chain);
        if (st == WF_OK && more) {
            st = verify(c, rows, &chain, NULL);
        }
    }
    return st;
}

static wf_status_t run_verify(wfc_t *c)
{
    const char *expect = wfc_opt(c, "expect");
    wf_json_t *rows = wf_json_array_make(c->pool);
    wf_audit_chain_t chain = {"", NULL};
    wf_audit_mark_t mark;
    wf_status_t st;

    if (expect && !wfc_opt(c, "company")) {
        return wfc_usage(c, "--expect is of one company: name it with --company");
    }
    if (expect && (st = read_mark(c, &mark, expect)) != WF_OK) {
        return st;
    }
    if (!wfc_opt(c, "company")) {
        st = verify_all(c, rows);
    } else if ((st = chain_named(c, &chain, wfc_opt(c, "company"))) == WF_OK) {
        st = verify(c, rows, &chain, expect ? &mark : NULL);
    }
    if (st == WF_OK) {
        wfc_print_list(c, rows, verify_columns, "There is no audit row yet.");
    }
    return st;
}

const wfc_command_t wfc_audit_commands[] = {
    {"audit list", "", 0, 0, list_options, WFC_STORE, run_list,
     "Shows the newest audit rows of a company, or of the platform", NULL},
    {"audit verify", "", 0, 0, verify_options, WFC_STORE, run_verify,
     "Proves that no audit row was changed, taken out or moved",
     "Computes each chain anew: a row's hash covers the row and the hash of the one before it, and\n"
     "the end of each chain is noted, so that a missing tail is seen too. BROKEN AT is the first\n"
     "row that is not as it was written; the exit code is 1 then. ERASED counts rows without their\n"
     "details, which is right after a company was erased and wrong otherwise.\n"
     "Whoever owns the database could make a chain anew as a whole: keep what stands under END\n"
     "elsewhere, and give it back with --expect."},
    WFC_COMMANDS_END};
