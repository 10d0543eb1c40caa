/* L5: what people do with flows, for /api/v2 and wflowsctl. */
#ifndef WF_MANAGE_FLOW_H
#define WF_MANAGE_FLOW_H

#include "service/wf_service.h"

/* ---- checking ---------------------------------------------------------------------------------- */

#define WF_FLOW_JSON_MAX (10 * 1024 * 1024) /* Meta's limit; the check says so for one byte more */
#define WF_FLOW_LOGIC_MAX (1024 * 1024)
#define WF_LOGIC_POINTER "/logic"

/* A flow as it was given. */
typedef struct {
    wf_slice_t flow_json; /* NUL-terminated */
    wf_slice_t logic;     /* NUL-terminated; data NULL: none */
    /* what was found */
    wf_issues_t issues;
    int logic_from;   /* the first issue that is about the logic: its pointer begins with WF_LOGIC_POINTER */
    const char *plan; /* compiled; NULL with any error */
} wf_flow_draft_t;

/* All rules, every error at once, each with its place. WF_OK also when the flow is not valid: look at
 * draft->issues. */
wf_status_t wf_flow_draft_check(wf_ctx_t *ctx, wf_flow_draft_t *draft) WF_MUST_CHECK;
/* Whether issue number `index` is about the logic. */
int wf_flow_draft_is_logic(const wf_flow_draft_t *draft, int index);

/* ---- saving ------------------------------------------------------------------------------------ */

/* What a caller sends. */
typedef struct {
    const wf_json_t *body; /* name, display_name, account_id, flow_json, logic, activate */
    wf_slice_t raw;        /* the body's text: a flow is kept as it was written */
} wf_flow_input_t;

/* A new flow with its first version. `flow_json` and `logic` are objects or texts of them. WF_EINVALID with a
 * fault for each rule that is broken, below "/flow_json" and "/logic". *warnings: [{pointer, message}]. */
wf_status_t wf_manage_flow_create(wf_ctx_t *ctx, const char **id, wf_json_t **warnings,
                                  const wf_store_t *store, const char *company_id,
                                  const wf_flow_input_t *input, const wf_actor_t *actor) WF_MUST_CHECK;
/* `current` is the flow as it was read. A flow_json or logic that differs from the newest version's makes a new
 * version. `replace`: what is absent goes back to its default; else it stays, and `logic: null` takes it away. */
wf_status_t wf_manage_flow_update(wf_ctx_t *ctx, wf_json_t **warnings, const wf_store_t *store,
                                  const char *company_id, const wf_json_t *current,
                                  const wf_flow_input_t *input, int replace,
                                  const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- tokens ------------------------------------------------------------------------------------ */

#define WF_TOKEN_TTL_DEFAULT apr_time_from_sec(3 * 86400) /* WHATSAPP.md 1.19: 2 to 3 days */
#define WF_TOKEN_TTL_MAX apr_time_from_sec(90 * 86400)
#define WF_TOKENS_MAX 100

typedef struct {
    const char *account_id, *flow_id;
    apr_interval_time_t ttl;
    int count; /* at most WF_TOKENS_MAX */
} wf_tokens_t;

/* Which account a call about a flow is for: `wanted` (NULL: none is named), else the flow's own, else the company's
 * default one. WF_EINVALID: there is no such account, or the flow is for another one; WF_ECONFLICT: none is named
 * and there is no default. */
wf_status_t wf_manage_flow_account(wf_ctx_t *ctx, const char **id, const wf_store_t *store,
                                   const char *company_id, const wf_json_t *flow,
                                   const char *wanted) WF_MUST_CHECK;
/* Bound tokens, as [{flow_token, expires_at}], and the audit row that says so. */
wf_status_t wf_manage_flow_tokens(wf_ctx_t *ctx, wf_json_t **array, const wf_store_t *store,
                                  const wf_keyring_t *ring, const char *company_id,
                                  const wf_tokens_t *wanted, const wf_actor_t *actor) WF_MUST_CHECK;

/* ---- playing (wf_manage_flow_play.c) ------------------------------------------------------------- */

/* One exchange of a flow through the engine: nothing is stored, counted or remembered. */
typedef struct {
    const char *company_id;
    const wf_json_t *flow;    /* its record */
    const char *account_id;   /* whose secret signs a question to the company's server; NULL: the default one */
    const wf_json_t *request; /* version, screen, action, data, session, ask_backend, backend_answer */
} wf_play_t;

/* {flow_version, outcome, reply, completed, response, broken_rule, question, session}: `session` goes into the next
 * call. The company's own server is asked only with ask_backend; without, and without backend_answer, the outcome is
 * "backend" and `question` is what it would have been asked. */
wf_status_t wf_manage_flow_play(wf_ctx_t *ctx, wf_json_t **out, const wf_service_t *service,
                                const wf_play_t *play) WF_MUST_CHECK;

#endif
