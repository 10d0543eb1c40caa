#include "service/wf_manage_flow.h"

#include "tenant/wf_token.h"

#include <stdio.h>
#include <string.h>

/* ---- checking ---------------------------------------------------------------------------------- */

int wf_flow_draft_is_logic(const wf_flow_draft_t *draft, int index)
{
    return index >= draft->logic_from;
}

/* Where a text stops being JSON: the parser names the place at the end of its message (wf_json.h). */
static void locate_break(wf_json_span_t *span, const char *message)
{
    const char *at = strstr(message, "line ");

    if (at && sscanf(at, "line %d, column %d", &span->line_start, &span->column_start) == 2) {
        span->line_end = span->line_start;
        span->column_end = span->column_start;
    }
}

/* The compiler sees parsed JSON, so the places of what it found are looked up in the texts. */
static void locate_issues(wf_flow_draft_t *draft, const wf_json_t *doc)
{
    int i;

    for (i = 0; i < draft->issues.issues->nelts; i++) {
        wf_issue_t *issue = &APR_ARRAY_IDX(draft->issues.issues, i, wf_issue_t);

        if (issue->span.line_start || !issue->pointer) {
            continue;
        }
        if (wf_flow_draft_is_logic(draft, i)) {
            (void)wf_json_locate(&issue->span, draft->logic.data, draft->logic.len,
                                 issue->pointer + strlen(WF_LOGIC_POINTER));
        } else if (doc) {
            (void)wf_json_locate(&issue->span, draft->flow_json.data, draft->flow_json.len,
                                 issue->pointer);
        } else {
            locate_break(&issue->span, issue->message);
        }
    }
}

/* Logic that is not JSON is one more issue, found in its own text. */
static wf_status_t parse_logic(wf_ctx_t *ctx, wf_json_t **logic, wf_flow_draft_t *draft)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    wf_issue_t *issue;
    wf_status_t st;

    own->log.fn = NULL;
    st = wf_json_parse(own, logic, draft->logic.data, draft->logic.len, 0);
    if (st == WF_EINVALID) {
        issue = apr_array_push(draft->issues.issues);
        memset(issue, 0, sizeof(*issue));
        issue->level = WF_ISSUE_ERROR;
        issue->error = "INVALID_LOGIC";
        issue->error_type = "FLOW_JSON_ERROR";
        issue->message = own->err.public_text ? own->err.public_text : "not JSON";
        issue->pointer = WF_LOGIC_POINTER;
        issue->path = "logic";
        locate_break(&issue->span, issue->message);
        draft->issues.errors++;
        return WF_OK;
    }
    ctx->err = st == WF_OK ? ctx->err : own->err;
    return st;
}

wf_status_t wf_flow_draft_check(wf_ctx_t *ctx, wf_flow_draft_t *draft)
{
    wf_json_t *doc = NULL, *logic = NULL;
    size_t plan_len;
    wf_status_t st = wf_flow_check(ctx, &draft->issues, &doc, draft->flow_json.data,
                                   draft->flow_json.len);

    draft->plan = NULL;
    draft->logic_from = st == WF_OK ? draft->issues.issues->nelts : 0;
    if (st == WF_OK && draft->logic.data) {
        st = parse_logic(ctx, &logic, draft);
    }
    if (st == WF_OK && draft->issues.errors == 0) {
        st = wf_plan_compile(ctx, &draft->plan, &plan_len, &draft->issues, doc, logic);
    }
    if (st == WF_OK) {
        locate_issues(draft, doc);
    }
    return st;
}

/* ---- what a caller sends ----------------------------------------------------------------------- */

enum { FLOW_JSON, LOGIC, SOURCES };

typedef struct {
    wf_flow_draft_t draft;
    wf_json_t *members; /* of the input, those that the store knows */
    int has[SOURCES];   /* given, and not null */
    int activate;
} input_t;

static const char *const source_names[SOURCES] = {"flow_json", "logic"};

/* An object's text as it was written, or what a string says. */
static void take_source(wf_ctx_t *ctx, wf_slice_t *out, const wf_json_part_t *part, size_t max)
{
    const char *pointer = apr_pstrcat(ctx->pool, "/", part->name, NULL);
    wf_slice_t text = part->text;

    switch (wf_json_part_type(part)) {
    case WF_JSON_OBJECT:
        break;
    case WF_JSON_STRING:
        text = wf_json_part_str(ctx->pool, part);
        break;
    default:
        wf_fault_add(ctx, pointer, "an object, or a text that holds one, expected");
        return;
    }
    if (text.len > max) {
        wf_fault_add(ctx, pointer, "at most %d bytes expected", (int)max);
        return;
    }
    if (memchr(text.data, '\0', text.len)) {
        wf_fault_add(ctx, pointer, "not JSON: it has a NUL");
        return;
    }
    *out = (wf_slice_t){apr_pstrmemdup(ctx->pool, text.data, text.len), text.len};
}

static wf_status_t read_input(wf_ctx_t *ctx, input_t *in, const wf_flow_input_t *given)
{
    wf_json_part_t parts[SOURCES] = {{.name = source_names[FLOW_JSON]},
                                     {.name = source_names[LOGIC]}};
    const wf_json_t *activate = wf_json_get(given->body, "activate");
    wf_slice_t *texts[SOURCES] = {&in->draft.flow_json, &in->draft.logic};
    static const size_t max[SOURCES] = {WF_FLOW_JSON_MAX, WF_FLOW_LOGIC_MAX};
    wf_status_t st = wf_json_split(ctx, parts, SOURCES, given->raw.data, given->raw.len, 0);
    int i;

    if (st != WF_OK) {
        return st;
    }
    in->members = wf_json_object_copy(ctx->pool, given->body);
    for (i = 0; i < SOURCES; i++) {
        wf_json_type_t type = wf_json_part_type(&parts[i]);

        in->has[i] = type != WF_JSON_ABSENT && type != WF_JSON_NULL;
        if (in->has[i]) {
            take_source(ctx, texts[i], &parts[i], max[i]);
        }
        wf_json_remove(in->members, source_names[i]);
    }
    if (activate && wf_json_type(activate) != WF_JSON_BOOLEAN) {
        wf_fault_add(ctx, "/activate", "true or false expected");
    }
    in->activate = wf_json_get_bool(given->body, "activate", 1);
    wf_json_remove(in->members, "activate");
    return WF_OK;
}

static const char *pointer_of(apr_pool_t *pool, const wf_flow_draft_t *draft, int index)
{
    const char *pointer = APR_ARRAY_IDX(draft->issues.issues, index, wf_issue_t).pointer;

    pointer = pointer ? pointer : "";
    return wf_flow_draft_is_logic(draft, index) ? pointer
                                                : apr_pstrcat(pool, "/flow_json", pointer, NULL);
}

/* Errors become faults, warnings are for the reply. */
static wf_status_t check_input(wf_ctx_t *ctx, wf_json_t **warnings, input_t *in)
{
    wf_flow_draft_t *draft = &in->draft;
    wf_status_t st;
    int i;

    *warnings = wf_json_array_make(ctx->pool);
    if (!draft->flow_json.data || (in->has[LOGIC] && !draft->logic.data)) {
        return WF_OK; /* a fault says why */
    }
    st = wf_flow_draft_check(ctx, draft);
    for (i = 0; st == WF_OK && i < draft->issues.issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(draft->issues.issues, i, wf_issue_t);
        const char *pointer = pointer_of(ctx->pool, draft, i);

        if (issue->level == WF_ISSUE_ERROR) {
            wf_fault_add(ctx, pointer, "%s: %s", issue->error, issue->message);
        } else {
            wf_json_t *warning = wf_json_object_make(ctx->pool);

            wf_json_set_str(warning, "pointer", pointer);
            wf_json_set_str(warning, "message",
                            apr_pstrcat(ctx->pool, issue->error, ": ", issue->message, NULL));
            wf_json_push(*warnings, warning);
        }
    }
    return st;
}

/* ---- saving ------------------------------------------------------------------------------------ */

wf_status_t wf_manage_flow_create(wf_ctx_t *ctx, const char **id, wf_json_t **warnings,
                                  const wf_store_t *store, const char *company_id,
                                  const wf_flow_input_t *given, const wf_actor_t *actor)
{
    input_t in = {0};
    wf_flow_version_t version = {0};
    wf_status_t st;

    *id = NULL;
    *warnings = NULL;
    if ((st = read_input(ctx, &in, given)) != WF_OK) {
        return st;
    }
    if (!in.has[FLOW_JSON]) {
        wf_fault_add(ctx, "/flow_json", "an object, or a text that holds one, expected");
    }
    if ((st = check_input(ctx, warnings, &in)) != WF_OK) {
        return st;
    }
    version.flow_json = in.draft.flow_json.data;
    version.logic = in.draft.logic.data;
    version.plan = in.draft.plan;
    version.activate = in.activate;
    return wf_flow_create(ctx, id, store, company_id, in.members, &version, actor);
}

static int same_json(wf_ctx_t *ctx, const char *a, const char *b)
{
    wf_ctx_t *own = wf_ctx_derive(ctx, ctx->pool);
    wf_json_t *left, *right;

    if (!a || !b) {
        return a == b;
    }
    own->log.fn = NULL;
    return wf_json_parse(own, &left, a, strlen(a), 0) == WF_OK &&
           wf_json_parse(own, &right, b, strlen(b), 0) == WF_OK && wf_json_equal(left, right);
}

/* What the input leaves out is the newest version's. *changed: it makes another version. */
static wf_status_t complete(wf_ctx_t *ctx, input_t *in, int *changed, const wf_store_t *store,
                            const char *company_id, const wf_json_t *current, int keep_logic)
{
    const char *name = wf_json_get_str(current, "name", "");
    const char *flow_json, *logic;
    wf_status_t st;

    *changed = 0;
    st = wf_flow_source_load(ctx, &flow_json, &logic, store, company_id, name,
                             (int)wf_json_get_int(current, "latest_version", 0));
    if (st != WF_OK) {
        return st;
    }
    if (!in->has[FLOW_JSON]) {
        in->draft.flow_json = (wf_slice_t){flow_json, strlen(flow_json)};
    }
    if (keep_logic && logic) {
        in->draft.logic = (wf_slice_t){logic, strlen(logic)};
    }
    *changed = !same_json(ctx, in->draft.flow_json.data, flow_json) ||
               !same_json(ctx, in->draft.logic.data, logic);
    return WF_OK;
}

/* Members that are absent get what a new flow would have. */
static void set_defaults(wf_ctx_t *ctx, input_t *in, const wf_json_t *current)
{
    if (!wf_json_has(in->members, "display_name")) {
        wf_json_set_str(in->members, "display_name", wf_json_get_str(current, "name", NULL));
    }
    if (!wf_json_has(in->members, "account_id")) {
        wf_json_set(in->members, "account_id", wf_json_null_make(ctx->pool));
    }
    if (!in->has[FLOW_JSON]) {
        wf_fault_add(ctx, "/flow_json", "an object, or a text that holds one, expected");
    }
}

wf_status_t wf_manage_flow_update(wf_ctx_t *ctx, wf_json_t **warnings, const wf_store_t *store,
                                  const char *company_id, const wf_json_t *current,
                                  const wf_flow_input_t *given, int replace, const wf_actor_t *actor)
{
    int touches, keep_logic, changed = 0;
    wf_flow_version_t version = {0};
    input_t in = {0};
    wf_status_t st;

    *warnings = NULL;
    if ((st = read_input(ctx, &in, given)) != WF_OK) {
        return st;
    }
    touches = replace || in.has[FLOW_JSON] || wf_json_has(given->body, "logic");
    keep_logic = !replace && !wf_json_has(given->body, "logic");
    if (replace) {
        set_defaults(ctx, &in, current);
    } else if (!in.has[FLOW_JSON] && wf_json_has(given->body, "flow_json")) {
        wf_fault_add(ctx, "/flow_json", "an object, or a text that holds one, expected");
    }
    if (!touches && wf_json_has(given->body, "activate")) {
        wf_fault_add(ctx, "/activate", "goes with flow_json or logic; to activate what is there, "
                                       "POST to the flow's /activate");
    }
    if (touches && !wf_has_faults(ctx)) {
        st = complete(ctx, &in, &changed, store, company_id, current, keep_logic);
    }
    if (st == WF_OK && touches) {
        st = check_input(ctx, warnings, &in);
    }
    if (st != WF_OK) {
        return st;
    }
    version.flow_json = in.draft.flow_json.data;
    version.logic = in.draft.logic.data;
    version.plan = in.draft.plan;
    version.activate = in.activate;
    version.after = (int)wf_json_get_int(current, "latest_version", 0);
    return wf_flow_update(ctx, store, company_id, wf_json_get_str(current, "id", ""), in.members,
                          changed ? &version : NULL, actor);
}

/* ---- tokens ------------------------------------------------------------------------------------ */

wf_status_t wf_manage_flow_account(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                                   const char *company_id, const wf_json_t *flow,
                                   const char *wanted)
{
    const char *own = wf_json_get_str(flow, "account_id", NULL);
    wf_json_t *accounts;
    wf_status_t st = wf_account_list(ctx, &accounts, store, company_id);
    size_t i;

    *id = NULL;
    if (st != WF_OK) {
        return st;
    }
    if (own && wanted && strcasecmp(own, wanted) != 0) {
        wf_fault_add(ctx, "/account_id", "the flow is for another account");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0698) "%s", wf_faults_text(ctx));
    }
    wanted = wanted ? wanted : own;
    for (i = 0; i < wf_json_len(accounts) && !*id; i++) {
        const wf_json_t *account = wf_json_at(accounts, i);
        const char *its = wf_json_get_str(account, "id", "");

        if (wanted ? strcasecmp(its, wanted) == 0 : wf_json_get_bool(account, "is_default", 0)) {
            *id = its;
        }
    }
    if (!*id && wanted) {
        wf_fault_add(ctx, "/account_id", "no such account");
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0699) "%s", wf_faults_text(ctx));
    }
    return *id ? WF_OK
               : wf_fail_public(ctx, WF_ECONFLICT,
                                WFLOGNO(0700) "the company has no default account: name one");
}

wf_status_t wf_manage_flow_tokens(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                                  const wf_keyring_t *ring, const char *company_id,
                                  const wf_tokens_t *wanted, const wf_actor_t *actor)
{
    wf_data_key_t *key = wf_secret_alloc(ctx->pool, sizeof(*key));
    apr_time_t expires_at = wf_now(ctx) + wanted->ttl;
    wf_json_t *all = wf_json_array_make(ctx->pool);
    wf_status_t st = wf_data_key_load(ctx, key, store, ring, company_id);
    int i;

    *array = NULL;
    for (i = 0; st == WF_OK && i < wanted->count; i++) {
        wf_json_t *one = wf_json_object_make(ctx->pool);
        const char *token = NULL;

        st = wf_token_issue(ctx, &token, key, company_id, wanted->account_id, wanted->flow_id,
                            expires_at);
        wf_json_set_str(one, "flow_token", token);
        wf_json_set_str(one, "expires_at", wf_time_format(ctx->pool, expires_at));
        wf_json_push(all, one);
    }
    wf_wipe(key, sizeof(*key));
    if (st == WF_OK) {
        st = wf_flow_note_tokens(ctx, store, company_id, wanted->flow_id, wanted->account_id,
                                 wanted->count, actor);
    }
    if (st == WF_OK) {
        *array = all;
    }
    return st;
}
