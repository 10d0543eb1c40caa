/* wflowsctl flow: a company's flows and their versions. */
#include "wfc_flow.h"

#include <string.h>

static const wfc_option_t add_options[] = {
    WFC_OPTION_COMPANY,
    {"flow-json", 'f', WFC_TEXT, 1, "FILE", "Meta's Flow JSON (- for standard input)"},
    {"logic", 'l', WFC_TEXT, 0, "FILE", "how the server answers"},
    {"display-name", 0, WFC_TEXT, 0, "NAME", "what people see"},
    {"account", 'a', WFC_TEXT, 0, "ACCOUNT", "only for this account (else for all of the company)"},
    {"no-activate", 0, WFC_FLAG, 0, NULL, "keep the version that is active"},
    WFC_OPTION_END};
static const wfc_option_t check_options[] = {
    {"logic", 'l', WFC_TEXT, 0, "FILE", "check this logic with it"}, WFC_OPTION_END};
static const wfc_option_t company_options[] = {WFC_OPTION_COMPANY, WFC_OPTION_END};
static const wfc_option_t remove_options[] = {
    WFC_OPTION_COMPANY, WFC_OPTION_YES("messages that were sent with the flow stop working"),
    WFC_OPTION_END};

static const wfc_option_t token_options[] = {
    WFC_OPTION_COMPANY,
    WFC_OPTION_ACCOUNT,
    {"ttl", 0, WFC_TEXT, 0, "DURATION", "how long it is good for (3d)"},
    WFC_OPTION_END};

static const wfc_column_t columns[] = {
    {"NAME", "/name", 0},          {"STATUS", "/status", 0}, {"ACTIVE", "/active_version", 1},
    {"UPDATED", "/updated_at", 0}, {"ID", "/id", 0},         {NULL, NULL, 0}};

/* ---- add ------------------------------------------------------------------------------------- */

/* Says what is wrong with the flow; nothing was stored. */
static wf_status_t refuse(wfc_t *c, const wfc_flow_source_t *source)
{
    c->exit_code = WFC_EXIT_FAILED;
    if (c->json) {
        wfc_print_json(c, wfc_flow_issues_json(c, source));
    }
    wfc_flow_issues_print(c, source, stderr);
    c->hint = "Nothing was stored.";
    return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(4060) "%s is not valid: %s",
                          source->json_file, wfc_flow_issues_count(c->pool, &source->draft.issues));
}

static wf_status_t save(wfc_t *c, const wfc_flow_source_t *source)
{
    wf_flow_new_t flow = {.name = c->args[0],
                          .display_name = wfc_opt(c, "display-name"),
                          .flow_json = source->draft.flow_json.data,
                          .logic = source->draft.logic.data,
                          .plan = source->draft.plan,
                          .activate = !wfc_flag(c, "no-activate")};
    wf_json_t *company = NULL, *account = NULL, *record = NULL;
    const char *id = NULL;
    int version = 0;
    wf_status_t st = wfc_company(c, &company, wfc_opt(c, "company"));

    if (st == WF_OK && wfc_opt(c, "account")) {
        st = wfc_account(c, &account, company, wfc_opt(c, "account"));
        flow.account_id = account ? wfc_id(account) : NULL;
    }
    if (st == WF_OK) {
        /* The store knows the company's plan, which is the only limit on flows. */
        st = wf_flow_save(c->ctx, &id, &version, c->store, wfc_id(company), &flow, 0, &c->actor);
    }
    if (st == WF_OK) {
        st = wfc_flow(c, &record, company, id);
    }
    if (st == WF_OK) {
        record = wf_json_copy(c->pool, record);
        wf_json_set_int(record, "version", version);
        wf_json_set(record, "validation_errors", wf_issues_json(c->pool, &source->draft.issues));
        wfc_print_done(c, record, "flow %s of %s: version %d is there%s: %s", flow.name,
                       wf_json_get_str(company, "slug", "-"), version,
                       flow.activate ? " and active" : ", not active", id);
    }
    return st;
}

static wf_status_t run_add(wfc_t *c)
{
    wfc_flow_source_t source;
    wf_status_t st;

    if (!wf_flow_name_is(c->args[0])) {
        return wfc_usage(c, "'%s' is no flow name: 1 to 64 letters, digits, '_', '-' or '.'",
                         c->args[0]);
    }
    st = wfc_flow_source_read(c, &source, wfc_opt(c, "flow-json"), wfc_opt(c, "logic"));
    if (st != WF_OK) {
        return st;
    }
    if (source.draft.issues.errors) {
        return refuse(c, &source);
    }
    if (!c->json) {
        wfc_flow_issues_print(c, &source, stderr);
    }
    return save(c, &source);
}

/* ---- list, show ------------------------------------------------------------------------------ */

static wf_status_t run_list(wfc_t *c)
{
    return wfc_print_list_of(c, wf_flow_list, columns,
                             "There is no flow yet: 'wflowsctl flow add' makes one.");
}

static wf_status_t find(wfc_t *c, wf_json_t **company, wf_json_t **flow)
{
    wf_status_t st = wfc_company(c, company, wfc_opt(c, "company"));

    return st == WF_OK ? wfc_flow(c, flow, *company, c->args[0]) : st;
}

static wf_status_t run_show(wfc_t *c)
{
    wf_json_t *company = NULL, *flow = NULL;
    wf_status_t st = find(c, &company, &flow);

    if (st == WF_OK) {
        wfc_print_record(c, flow);
    }
    return st;
}

/* ---- changes --------------------------------------------------------------------------------- */

static wf_status_t set_status(wfc_t *c, const char *status)
{
    wf_json_t *company = NULL, *flow = NULL;
    wf_status_t st = find(c, &company, &flow);

    if (st == WF_OK) {
        st = wf_flow_set_status(c->ctx, c->store, wfc_id(company), wfc_id(flow), status, 0,
                                &c->actor);
    }
    if (st == WF_OK) {
        st = wfc_flow(c, &flow, company, wfc_id(flow));
    }
    if (st == WF_OK) {
        wfc_print_done(c, flow, "flow %s of %s is %s now", wf_json_get_str(flow, "name", "-"),
                       wf_json_get_str(company, "slug", "-"), status);
    }
    return st;
}

static wf_status_t run_activate(wfc_t *c)
{
    return set_status(c, WF_STATUS_ACTIVE);
}

static wf_status_t run_deactivate(wfc_t *c)
{
    return set_status(c, WF_STATUS_INACTIVE);
}

static wf_status_t run_remove(wfc_t *c)
{
    wf_json_t *company = NULL, *flow = NULL;
    wf_status_t st;

    st = find(c, &company, &flow);
    if (st == WF_OK) {
        st = wf_flow_remove(c->ctx, c->store, wfc_id(company), wfc_id(flow), &c->actor);
    }
    if (st == WF_OK) {
        wfc_print_done(c, flow, "flow %s of %s is removed", wf_json_get_str(flow, "name", "-"),
                       wf_json_get_str(company, "slug", "-"));
    }
    return st;
}

/* ---- token ----------------------------------------------------------------------------------- */

static wf_status_t run_token(wfc_t *c)
{
    wf_json_t *company = NULL, *account = NULL, *flow = NULL, *issued = NULL, *record;
    wf_tokens_t wanted = {.count = 1};
    wf_status_t st;

    if ((st = wfc_duration_opt(c, &wanted.ttl, "ttl", WF_TOKEN_TTL_DEFAULT)) != WF_OK ||
        (st = find(c, &company, &flow)) != WF_OK ||
        (st = wfc_account(c, &account, company, wfc_opt(c, "account"))) != WF_OK) {
        return st;
    }
    wanted.account_id = wfc_id(account);
    wanted.flow_id = wfc_id(flow);
    st = wf_manage_flow_tokens(c->ctx, &issued, c->store, c->ring, wfc_id(company), &wanted,
                               &c->actor);
    if (st != WF_OK) {
        return st;
    }
    record = wf_json_at(issued, 0);
    wf_json_set_str(record, "account_id", wfc_id(account));
    wf_json_set_str(record, "flow_id", wfc_id(flow));
    wfc_print_text(c, record,
                   apr_pstrcat(c->pool, wf_json_get_str(record, "flow_token", ""), "\n", NULL));
    return WF_OK;
}

const wfc_command_t wfc_flow_commands[] = {
    {"flow check", "FILE", 1, 1, check_options, 0, wfc_flow_check_run,
     "Checks Flow JSON: every error with line, column, Meta's name and pointer",
     "FILE is Flow JSON (- for standard input). Exit code 0: valid, warnings allowed; 1: errors. "
     "Needs no\n"
     "configuration. With --json: {\"success\": …, \"validation_errors\": […]}, as Meta's API "
     "answers."},
    {"flow add", "NAME", 1, 1, add_options, WFC_STORE, run_add,
     "Stores a flow, or a new version of it, after checking it",
     "NAME is the flow's name in URLs. Sessions that are under way keep the version they began "
     "with."},
    {"flow list", "", 0, 0, company_options, WFC_STORE, run_list, "Lists a company's flows", NULL},
    {"flow show", "NAME|ID", 1, 1, company_options, WFC_STORE, run_show, "Shows a flow", NULL},
    {"flow activate", "NAME|ID", 1, 1, company_options, WFC_STORE, run_activate,
     "Lets a flow answer", NULL},
    {"flow deactivate", "NAME|ID", 1, 1, company_options, WFC_STORE, run_deactivate,
     "Stops a flow (404) and keeps it", NULL},
    {"flow remove", "NAME|ID", 1, 1, remove_options, WFC_STORE, run_remove,
     "Removes a flow (kept in the database, marked as deleted)", NULL},
    {"flow token", "NAME|ID", 1, 1, token_options, WFC_STORE_AND_RING, run_token,
     "Issues a flow token bound to company, account and flow",
     "To be sent as flow_token in the message that opens the flow. Used anywhere else, or after "
     "--ttl, it is\n"
     "answered with 427."},
    WFC_COMMANDS_END};
