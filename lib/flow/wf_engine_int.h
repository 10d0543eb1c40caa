/* Inside lib/flow: what the plan, the logic, the reply check and the engine share. */
#ifndef WF_ENGINE_INT_H
#define WF_ENGINE_INT_H

#include "flow/wf_flow.h"

#define WF_SCREEN_SUCCESS "SUCCESS"
#define WF_REPLY_WARN (1024 * 1024)     /* WHATSAPP.md 1.15: stay under 1 MB out */
#define WF_REPLY_MAX (10 * 1024 * 1024) /* and never above 10 */
#define WF_TEXT_MAX (64 * 1024)         /* of one text that logic puts together */

/* ---- plan ------------------------------------------------------------------------------------ */

/* The plan is lines of text, each a kind, a name and columns of compact JSON, parted by tabs (which
 * compact JSON never holds). The first line is the format's name, the second the head. A column is
 * parsed when it is first asked for and then remembered, so that an exchange pays for the one or
 * two screens it touches. */
#define WF_PLAN_FORMAT "wfplan1"

typedef enum {
    WF_PLAN_SCREEN = 'S',   /* name = screen; columns: WF_SCREEN_* */
    WF_PLAN_RULES = 'R',    /* name = screen; column 0: array of rules */
    WF_PLAN_BACK = 'B',     /* name = screen; column 0: array of rules */
    WF_PLAN_INIT = 'I',     /* no name; column 0: array of rules */
    WF_PLAN_BACKEND = 'E',  /* no name; column 0: {url, timeout_ms, on_failure} */
    WF_PLAN_CONSTANT = 'C', /* name = member of `static`; column 0: its value */
} wf_plan_kind_t;

#define WF_SCREEN_DATA 1    /* column 1: {key: declaration}; 0 is the screen's own record */
#define WF_SCREEN_EXAMPLE 2 /* column 2: {key: value} */

typedef struct {
    const char *name;
    int entry; /* INIT may answer it */
    int terminal;
    wf_json_t *next; /* where routing_model leads from here, in its order; array of names */
    wf_json_t *prev; /* who leads here */
    size_t line;     /* private */
} wf_plan_screen_t;

/* The screen, or NULL if there is none of that name (or no name). */
const wf_plan_screen_t *wf_plan_screen(const wf_plan_t *plan, const char *name);
/* The n-th screen in the order of Flow JSON; NULL past the last. */
const wf_plan_screen_t *wf_plan_screen_at(const wf_plan_t *plan, size_t index);
/* The screen that follows in the order of Flow JSON. */
const wf_plan_screen_t *wf_plan_screen_after(const wf_plan_t *plan, const wf_plan_screen_t *screen);
/* Declarations or examples of a screen: an object, maybe empty. */
const wf_json_t *wf_plan_screen_column(const wf_plan_t *plan, const wf_plan_screen_t *screen,
                                       int column);
/* Column 0 of another kind of line; NULL if there is no such line. `len` bytes of `name`. */
const wf_json_t *wf_plan_part(const wf_plan_t *plan, wf_plan_kind_t kind, const char *name,
                              size_t len);
int wf_plan_is_routed(const wf_plan_t *plan);
/* The text for the user where nothing better is known. */
const char *wf_plan_error_message(const wf_plan_t *plan);
/* 1 after a line turned out not to be what wf_plan_compile writes. */
int wf_plan_is_damaged(const wf_plan_t *plan);
/* 1 if the client accepts the way (WHATSAPP.md 1.12). `from` NULL: the first screen. */
int wf_plan_allows(const wf_plan_t *plan, const wf_plan_screen_t *from, const wf_plan_screen_t *to);

/* ---- data model (WHATSAPP.md 2.4, 1.13) -------------------------------------------------------
 */

/* Says in `pool` why `value`, which stands at `key`, has not the declared type, nested too, or
 * holds a null; NULL if it is right. */
const char *wf_data_misfit(apr_pool_t *pool, const char *key, const wf_json_t *declaration,
                           const wf_json_t *value);
/* The declaration's member that holds the limits of an option list bound to it, if one is:
 * {"min", "max", "image_max"}. */
#define WF_DATA_OPTIONS "__options__"
/* Names that belong to the protocol, never to a form: 1 if `key` is one. */
int wf_data_is_reserved(const char *key);

/* ---- reply check (WHATSAPP.md 1.12, 1.13, rules 88-92) ------------------------------------------
 */

/* What the client would refuse in `reply` ({screen, data}, whose text has `len` bytes), in
 * ctx->pool, or NULL. `from` is the screen the user is on (NULL: none yet). Lengths over the
 * advised ones are logged only. */
const char *wf_reply_check(wf_ctx_t *ctx, const wf_plan_t *plan, const wf_flow_request_t *request,
                           const wf_plan_screen_t *from, const wf_json_t *reply, size_t len);

/* ---- step: one exchange on its way through the engine -------------------------------------------
 */

#define WF_ANSWERS_MAX (256 * 1024) /* text of all answers of a session */
#define WF_HISTORY_MAX 100

typedef struct {
    wf_ctx_t *ctx;
    const wf_engine_in_t *in;
    const wf_session_t *session;  /* NULL for the anonymous too */
    const wf_plan_screen_t *from; /* the screen the user is on; NULL: none yet */
    wf_json_t *answers;           /* the session's with this request's data */
    wf_json_t *history;           /* with `from` on top; empty for INIT */
} wf_step_t;

typedef struct {
    const wf_plan_screen_t *target; /* NULL: SUCCESS */
    const wf_json_t *data;          /* what logic gives for declared keys; NULL: nothing */
    wf_json_t *params;              /* of SUCCESS; NULL: all answers */
    const char *error_message;      /* NULL: none */
} wf_answer_t;

/* What the request does to the session so far: answers merged, history cut to the screen it names.
 * NULL, or why this request cannot be a step at all (unknown screen or action, too much data); the
 * step then holds what a fallback needs. */
const char *wf_step_begin(wf_ctx_t *ctx, wf_step_t *step, const wf_engine_in_t *in);
/* Where BACK leads without logic. */
const wf_plan_screen_t *wf_step_before(const wf_step_t *step);
/* The last good screen with its last data and an error_message. */
wf_answer_t wf_step_fallback(const wf_step_t *step);
/* {screen, data}: every declared key filled. */
wf_json_t *wf_step_reply(const wf_step_t *step, const wf_answer_t *answer);
/* The session after `answer` was sent as `reply`. */
wf_session_t *wf_step_session(const wf_step_t *step, const wf_answer_t *answer, const char *reply);
/* The text for the user where nothing better is known: the company's, the flow's, ours. */
const char *wf_step_error_message(const wf_step_t *step);

#endif
