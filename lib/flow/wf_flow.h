/* L3, pure: the WhatsApp Flows protocol and engine. No I/O, no clock but ctx's.
 * Files: wf_envelope (encrypted bytes <-> JSON), wf_flow_check* (Flow JSON rules),
 * wf_plan_compile and wf_plan (Flow JSON + logic -> small plan -> reading it), wf_logic (JsonLogic,
 * ${...}), wf_reply_check (our own answer against the plan), wf_engine (plan + session + request ->
 * answer + new session). */
#ifndef WF_FLOW_H
#define WF_FLOW_H

#include "base/wf_base.h"
#include "crypto/wf_crypto.h"
#include "json/wf_json.h"

/* ---- envelope: WHATSAPP.md 1.2, 1.5, 1.6 ---------------------------------------------------- */

#define WF_ENVELOPE_BODY_MAX (10 * 1024 * 1024)

/* The outer JSON, decoded and bounded. Everything lives in the pool it was parsed in. */
typedef struct {
    unsigned char *rsa; /* encrypted AES key */
    size_t rsa_len;
    unsigned char iv[16];
    size_t iv_len; /* 12 or 16 */
    unsigned char *data; /* ciphertext and tag */
    size_t data_len;
    unsigned char *plain; /* room for data_len bytes: what wf_envelope_open decrypts into, so that
                             several keys can be tried on one envelope */
} wf_envelope_t;

/* Expected failures: WF_EINVALID (not JSON or the three strings are not there: 400),
 * WF_EDENIED (they are there and cannot be right: bad base64, lengths: 421). A body over
 * WF_ENVELOPE_BODY_MAX is WF_EINVALID. */
wf_status_t wf_envelope_parse(wf_ctx_t *ctx, wf_envelope_t *out, const char *body,
                              size_t len) WF_MUST_CHECK;

/* The key material of one exchange: good for exactly one reply (WHATSAPP.md 1.6), which
 * wf_envelope_seal enforces. Wiped with the pool. */
typedef struct {
    unsigned char key[32];
    size_t key_len;
    unsigned char iv[16]; /* of the reply: already inverted */
    size_t iv_len;
    int used;
} wf_exchange_key_t;

/* One RSA private operation, then AES-GCM. WF_EDENIED if `key` does not fit (421), whatever the
 * reason, and after the same time. `plain` is NUL-terminated in the envelope's memory, good until
 * the envelope is opened again; not checked to be UTF-8 or JSON. Logs a warning when the AES key is not 16 bytes. */
wf_status_t wf_envelope_open(wf_ctx_t *ctx, wf_exchange_key_t **exchange, wf_slice_t *plain,
                             const wf_envelope_t *envelope, const wf_rsa_key_t *key) WF_MUST_CHECK;
/* The reply body: base64, nothing else. A second call for the same exchange fails (WF_EINTERNAL). */
wf_status_t wf_envelope_seal(wf_ctx_t *ctx, wf_slice_t *body, wf_exchange_key_t *exchange,
                             const char *plain, size_t len) WF_MUST_CHECK;

/* The other side, for `wflowsctl send` and tests: encrypts a request as WhatsApp's client does, for
 * a public key PEM. `body` is the JSON to post; `exchange` opens the one reply. Expected failure:
 * WF_EINVALID (not a public key). */
wf_status_t wf_envelope_client_make(wf_ctx_t *ctx, wf_slice_t *body, wf_exchange_key_t **exchange,
                                    const char *public_pem, const char *request,
                                    size_t len) WF_MUST_CHECK;
/* Decrypts a reply body. `plain` is NUL-terminated in ctx->pool. Expected failures: WF_EINVALID
 * (not base64), WF_EDENIED (does not decrypt). */
wf_status_t wf_envelope_client_open(wf_ctx_t *ctx, wf_slice_t *plain,
                                    const wf_exchange_key_t *exchange, const char *body,
                                    size_t len) WF_MUST_CHECK;

/* ---- request: WHATSAPP.md 1.8, 1.11 ------------------------------------------------------- */

typedef enum {
    WF_ACTION_UNKNOWN = 0,
    WF_ACTION_PING,
    WF_ACTION_INIT,
    WF_ACTION_BACK,
    WF_ACTION_DATA_EXCHANGE,
    WF_ACTION_ERROR /* an error notification, whatever its `action` says */
} wf_action_t;

typedef struct {
    wf_action_t action;
    const char *action_text; /* "" where absent */
    const char *version;     /* data API version as text; a number 300 becomes "300"; "" where absent */
    const char *screen;      /* NULL where absent or empty */
    wf_json_t *data;         /* always an object, may be empty; any text in it can be stored */
    const char *flow_token; /* NULL where absent or empty */
    const char *flow_token_signature;
    unsigned char hash[WF_SHA256_LEN]; /* of action, screen and data: names a repeated request */
} wf_flow_request_t;

#define WF_FLOW_TOKEN_MAX 1024
#define WF_FLOW_REQUEST_DEPTH 64

/* WF_EINVALID when the plaintext is not JSON, not an object, or a member has a wrong type or an
 * impossible length (500 on the wire). An unknown action or missing screen is not a failure here. */
wf_status_t wf_flow_request_parse(wf_ctx_t *ctx, wf_flow_request_t *out, const char *text,
                                  size_t len) WF_MUST_CHECK;

/* ---- Flow JSON check: WHATSAPP.md section 2 ------------------------------------------------- */

typedef enum { WF_ISSUE_ERROR, WF_ISSUE_WARNING } wf_issue_level_t;

typedef struct {
    wf_issue_level_t level;
    const char *error;      /* Meta's error name */
    const char *error_type; /* FLOW_JSON_ERROR or JSON_SCHEMA_ERROR */
    const char *message;    /* ours: says what is wrong and what would be right */
    const char *pointer;    /* RFC 6901 JSON Pointer */
    const char *path;       /* Meta's form: screens[0].layout.children[1] */
    wf_json_span_t span;    /* zeros where the text is not JSON */
} wf_issue_t;

typedef struct {
    apr_array_header_t *issues; /* of wf_issue_t, in order of place */
    int errors;
    int warnings;
} wf_issues_t;

/* Every error at once, not the first one: up to 200, and up to 200 warnings. Returns WF_OK when the check was made (look at
 * out->errors), something else only for our own failures. `doc` receives the parsed document
 * (NULL if it is not JSON); may be NULL. */
wf_status_t wf_flow_check(wf_ctx_t *ctx, wf_issues_t *out, wf_json_t **doc, const char *text,
                          size_t len) WF_MUST_CHECK;
/* The Meta-shaped array of error objects (WHATSAPP.md 2.10). */
wf_json_t *wf_issues_json(apr_pool_t *pool, const wf_issues_t *issues);

/* ---- plan: what the hot path reads instead of Flow JSON ------------------------------------- */

/* Compiles a checked flow and its logic (NULL: none). The plan is text, self-contained and
 * versioned; reading it back parses only the screens that are touched. Problems of the logic
 * (unknown screen, unknown operator, a route that routing_model forbids, bad ${...}, bad types,
 * depth, size) are added to `issues` with pointers into the logic document ("/logic/..."), error
 * name INVALID_LOGIC; with any error *plan stays NULL. */
wf_status_t wf_plan_compile(wf_ctx_t *ctx, const char **plan, size_t *plan_len, wf_issues_t *issues,
                            const wf_json_t *flow_json, const wf_json_t *logic) WF_MUST_CHECK;

typedef struct wf_plan_t wf_plan_t;
/* Borrows `text` for the plan's life. WF_EINTERNAL if it is no plan of this version: the caller
 * compiles anew. */
wf_status_t wf_plan_open(wf_ctx_t *ctx, wf_plan_t **out, const char *text, size_t len) WF_MUST_CHECK;
const char *wf_plan_entry(const wf_plan_t *plan);
int wf_plan_has_screen(const wf_plan_t *plan, const char *screen);

/* ---- session: DESIGN.md section 7 ------------------------------------------------------------ */

#define WF_SESSION_ACTIVE "active"
#define WF_SESSION_COMPLETED "completed"
#define WF_SESSION_CANCELLED "cancelled"
#define WF_SESSION_EXPIRED "expired"

/* One user's walk. `step` 0 means not stored yet. The engine never changes a session in place. */
typedef struct {
    const char *id;
    const char *company_id;
    const char *account_id;
    const char *flow_id;
    const char *flow_name;
    int flow_version;
    const char *token_hash; /* lower-case hex SHA-256 of the flow_token */
    const char *status;     /* WF_SESSION_* */
    int64_t step;           /* number of committed steps; the optimistic lock */
    const char *screen;     /* that the user was last shown; NULL before the first answer */
    wf_json_t *answers;     /* object: all data submitted so far, merged */
    wf_json_t *history;     /* array of screen names, oldest first, last one = `screen` */
    const char *request_hash; /* hex, of the last request */
    const char *reply;      /* last answer in clear, an object as JSON text; NULL if none */
    const char *reply_kind; /* "screen", "error" (had an error_message) or "success" */
    apr_time_t started_at, last_step_at, expires_at, completed_at; /* 0: not yet */
} wf_session_t;

/* JSON text <-> record, for Redis and for what PostgreSQL hands back. */
void wf_session_write(wf_buf_t *out, const wf_session_t *session);
wf_status_t wf_session_parse(wf_ctx_t *ctx, wf_session_t **out, const char *text,
                             size_t len) WF_MUST_CHECK;

/* ---- engine ---------------------------------------------------------------------------------- */

typedef struct {
    const wf_plan_t *plan;
    const wf_flow_request_t *request;
    const wf_session_t *session;  /* NULL: none yet, or the token names nobody */
    int anonymous;                /* the token names nobody: nothing may be remembered */
    const char *flow_name;        /* for ${flow.name} */
    int flow_version;             /* for ${flow.version} */
    const wf_json_t *company;     /* for ${company.*}: {id, slug, name, display_name, settings} */
    apr_interval_time_t repeat_window; /* a same request within it gets the stored reply */
} wf_engine_in_t;

typedef enum {
    WF_OUTCOME_REPLY,   /* send `reply`; commit `session` first (unless anonymous or repeated) */
    WF_OUTCOME_REPEAT,  /* send `reply` (the stored one); nothing to commit */
    WF_OUTCOME_BACKEND, /* ask the company's server, then wf_engine_resume */
    WF_OUTCOME_FAIL     /* no last data to fall back on: 500 */
} wf_outcome_kind_t;

typedef struct {
    wf_outcome_kind_t kind;
    const char *reply;         /* JSON text to encrypt */
    size_t reply_len;
    wf_session_t *session;     /* the session after this step: same id (NULL if new), step + 1, and
                                * whatever of the old one the engine does not decide (expires_at, ids).
                                * NULL: nothing to commit (anonymous, repeated, or a request that names
                                * an unknown screen or action) */
    int completed;             /* SUCCESS was answered */
    wf_json_t *response;       /* params of SUCCESS, for flow_responses */
    const char *broken_rule;   /* the request or our own answer broke this rule: for the log */
    /* kind BACKEND: */
    const char *backend_url;
    int backend_timeout_ms;
    wf_json_t *backend_body;   /* the decrypted exchange as plain JSON, with the session's answers */
    void *continuation;        /* private */
} wf_outcome_t;

/* Decides one exchange (INIT, BACK, data_exchange or unknown action; never ping or error
 * notifications). Never fails for what a user sent: an unknown screen or action is answered with
 * the last good screen and an error_message. The reply is checked against the plan (transition,
 * every declared key, types, no null) and replaced by the same screen's last data with an
 * error_message where it breaks a rule. A session that is not active only ever gets REPEAT (its
 * last request came again, however late) or FAIL (anything else: the service says 427).
 * WF_EINTERNAL: the plan is damaged; compile anew. */
wf_status_t wf_engine_run(wf_ctx_t *ctx, wf_outcome_t *out, const wf_engine_in_t *in) WF_MUST_CHECK;
/* Goes on after `ask: "backend"`, with the same plan, request and session. `answer` is what the
 * company's server sent ({screen, data}, {error_message}, {complete: {…}} or Meta's SUCCESS), NULL
 * when it failed or was late. Where it is NULL or breaks a rule, on_failure answers. Never BACKEND
 * again. */
wf_status_t wf_engine_resume(wf_ctx_t *ctx, wf_outcome_t *out, const wf_engine_in_t *in,
                             void *continuation, const wf_json_t *answer) WF_MUST_CHECK;

/* Fixed replies (JSON text): health check, acknowledgement, 427. */
const char *wf_reply_ping(size_t *len);
const char *wf_reply_ack(size_t *len);
const char *wf_reply_token_invalid(apr_pool_t *pool, const char *text_for_user, size_t *len);

#endif
