/* Inside lib/flow: what the plan, the logic, the reply check and the engine share. */
#ifndef WF_ENGINE_INT_H
#define WF_ENGINE_INT_H

#include "flow/wf_flow.h"

#define WF_SCREEN_SUCCESS "SUCCESS"
#define WF_REPLY_WARN (1024 * 1024)     /* WHATSAPP.md 1.15: stay under 1 MB out */
#define WF_REPLY_MAX (10 * 1024 * 1024) /* and never above 10 */
#define WF_TEXT_MAX (64 * 1024)         /* of one text that logic puts together */

/* ---- plan ---------------------------------------------------------------------------------- */

/* The plan is lines of text: "kind TAB name TAB column TAB column…", where a column is compact JSON
 * (which never holds a tab or a line break) or, where so few words do, plain text. The first line
 * is the format's name. A JSON column is parsed when it is first asked for and then remembered, so
 * that an exchange pays for the one or two screens it touches. */
#define WF_PLAN_FORMAT "wfplan1"

typedef enum {
    WF_PLAN_HEAD = 'H',     /* name = entry screen; text "routed" or ""; JSON error_message or "" */
    WF_PLAN_SCREEN = 'S',   /* name = screen; text flags, next, prev; JSON: WF_SCREEN_* */
    WF_PLAN_RULES = 'R',    /* name = screen; JSON array of rules */
    WF_PLAN_BACK = 'B',     /* name = screen; JSON array of rules */
    WF_PLAN_INIT = 'I',     /* no name; JSON array of rules */
    WF_PLAN_BACKEND = 'E',  /* no name; JSON {url, timeout_ms, on_failure} */
    WF_PLAN_CONSTANT = 'C', /* name = member of `static`; JSON value */
} wf_plan_kind_t;

#define WF_PLAN_COLUMNS 5
/* Of a screen's line. */
#define WF_SCREEN_FLAGS 0 /* "e": INIT may answer it; "t": terminal */
#define WF_SCREEN_NEXT 1  /* where routing_model leads from here, in its order, parted by commas */
#define WF_SCREEN_PREV 2  /* who leads here */
#define WF_SCREEN_DATA 3  /* JSON {key: declaration} */
#define WF_SCREEN_EXAMPLE 4 /* JSON {key: value} */

typedef struct {
    const char *name;
    int entry;
    int terminal;
    wf_slice_t next;
    wf_slice_t prev;
    size_t line; /* private */
} wf_plan_screen_t;

/* The screen, or NULL if there is none of that name (or no name). */
const wf_plan_screen_t *wf_plan_screen(const wf_plan_t *plan, const char *name);
/* The screen that follows in the order of Flow JSON; NULL after the last. */
const wf_plan_screen_t *wf_plan_screen_after(const wf_plan_t *plan, const wf_plan_screen_t *screen);
/* The first name of `next` or `prev`; NULL if there is none. */
const wf_plan_screen_t *wf_plan_screen_first(const wf_plan_t *plan, wf_slice_t names);
/* Declarations or examples of a screen: an object, maybe empty. */
const wf_json_t *wf_plan_screen_column(const wf_plan_t *plan, const wf_plan_screen_t *screen,
                                       int column);
/* The same, but NULL if nobody has asked for it yet. */
const wf_json_t *wf_plan_screen_column_read(const wf_plan_t *plan, const wf_plan_screen_t *screen,
                                            int column);
/* Column 0 of another kind of line; NULL if there is no such line. `len` bytes of `name`. */
const wf_json_t *wf_plan_part(const wf_plan_t *plan, wf_plan_kind_t kind, const char *name,
                              size_t len);
int wf_plan_is_routed(const wf_plan_t *plan);
/* The logic's own text for the user where nothing better is known; NULL if it has none. */
const char *wf_plan_error_message(const wf_plan_t *plan);
/* 1 after a line turned out not to be what wf_plan_compile writes. */
int wf_plan_is_damaged(const wf_plan_t *plan);
/* 1 if the client accepts the way (WHATSAPP.md 1.12). `from` NULL: the first screen. */
int wf_plan_allows(const wf_plan_t *plan, const wf_plan_screen_t *from, const wf_plan_screen_t *to);

/* ---- data model (WHATSAPP.md 2.4, 1.13) ---------------------------------------------------- */

/* A declaration in a plan has type, properties, items and WF_DATA_OPTIONS; where the type says it
 * all it is the type's name alone, which spares the hot path most of its objects. */

/* Says in `pool` why `value`, which stands at `key`, has not the declared type, nested too, or
 * holds a null; NULL if it is right. */
const char *wf_data_misfit(apr_pool_t *pool, const char *key, const wf_json_t *declaration,
                           const wf_json_t *value);
/* The declared type; WF_JSON_ABSENT where the declaration does not say. */
wf_json_type_t wf_data_type(const wf_json_t *declaration);
/* The declaration's member that holds the limits of an option list bound to it, if one is:
 * {"min", "max", "image_max"}. */
#define WF_DATA_OPTIONS "__options__"
/* Names that belong to the protocol, never to a form: 1 if `key` is one. */
int wf_data_is_reserved(const char *key);

/* ---- values of logic: what JavaScript makes of them, as json-logic-js does ----------------- */

typedef enum {
    WF_VALUE_UNDEFINED = 0,
    WF_VALUE_NULL,
    WF_VALUE_BOOLEAN,
    WF_VALUE_NUMBER,
    WF_VALUE_STRING,
    WF_VALUE_TREE /* array or object */
} wf_value_kind_t;

/* Scalars are kept out of wf_json_t: comparing two of them allocates nothing, and NaN exists. */
typedef struct {
    wf_value_kind_t kind;
    double number; /* BOOLEAN: 0 or 1 */
    wf_slice_t text;
    const wf_json_t *tree;
} wf_value_t;

wf_value_t wf_value_of(const wf_json_t *v);
wf_value_t wf_value_number(double n);
wf_value_t wf_value_boolean(int b);
wf_value_t wf_value_text(const char *text, size_t len);
/* undefined and NaN become null. */
wf_json_t *wf_value_json(apr_pool_t *pool, wf_value_t v);
/* As jsonlogic.com has it: an empty array is false. */
int wf_value_is_true(wf_value_t v);
double wf_value_to_number(apr_pool_t *pool, wf_value_t v); /* Number(v) */
double wf_value_to_float(apr_pool_t *pool, wf_value_t v);  /* parseFloat(v) */
/* String(v), of at most WF_TEXT_MAX bytes: what would be longer loses its end. */
wf_slice_t wf_value_to_text(apr_pool_t *pool, wf_value_t v);
int wf_value_equal(apr_pool_t *pool, wf_value_t a, wf_value_t b); /* a == b */
int wf_value_same(wf_value_t a, wf_value_t b);                    /* a === b */
/* -1, 0, 1 as a is less than, equal to, greater than b; 2 where they have no order (NaN). */
int wf_value_order(apr_pool_t *pool, wf_value_t a, wf_value_t b);
/* `count` characters of valid UTF-8 from character `start` on, or fewer where it ends. */
wf_slice_t wf_value_chars(wf_slice_t text, size_t start, size_t count);
/* `path` (members and indexes parted by dots, `length`) from `v` on; undefined where it leads
 * nowhere. */
wf_value_t wf_value_walk(wf_value_t v, const char *path, size_t len);

/* ---- scope: what ${...} and {"var": ...} can read ------------------------------------------ */

typedef struct {
    wf_ctx_t *ctx;
    const wf_plan_t *plan; /* static */
    const wf_json_t *data;
    const wf_json_t *session;
    const wf_json_t *company;
    const char *flow_name, *flow_token;
    int flow_version;
    /* Inside map and its like, instead of all that: */
    int is_element;
    wf_value_t element;
    const wf_value_t *accumulator; /* inside reduce, where `element` is `current`; else NULL */
} wf_scope_t;

wf_value_t wf_scope_read(const wf_scope_t *scope, const char *path, size_t len);

/* ---- logic: JsonLogic ---------------------------------------------------------------------- */

#define WF_LOGIC_DEPTH 20
#define WF_LOGIC_STEPS 10000

/* The value of `logic`. WF_ELIMIT: it needed more steps or depth than allowed; WF_EINVALID: an
 * operator does not exist or cannot work without an operand. Neither is logged. */
wf_status_t wf_logic_value(wf_value_t *out, const wf_json_t *logic,
                           const wf_scope_t *scope) WF_MUST_CHECK;
/* 1 if its value is true; a failure is logged and counts as false. */
int wf_logic_holds(const wf_json_t *logic, const wf_scope_t *scope);

typedef struct {
    int min, max;  /* operands; max -1: any number */
    int is_scoped; /* the second operand reads elements, not the scope around */
} wf_operator_rule_t;
/* NULL if there is no such operator. */
const wf_operator_rule_t *wf_logic_operator(const char *name);

/* ---- templates: ${path} in the texts of logic ---------------------------------------------- */

/* `value` with all references replaced, in nested values too; members and elements that are nothing
 * but a reference to nothing are left out, and NULL is returned where `value` itself is. A text
 * that is one reference and no more keeps the type of what it names. */
wf_json_t *wf_template_fill(const wf_json_t *value, const wf_scope_t *scope);

typedef struct {
    wf_slice_t text; /* plain text, or a path */
    int is_path;
} wf_template_part_t;
/* Takes the next part off `rest`; 0 at the end. An unclosed ${ is plain text. */
int wf_template_next(wf_template_part_t *part, wf_slice_t *rest);
int wf_template_is(const wf_json_t *text);

/* ---- logic when it is saved ---------------------------------------------------------------- */

#define WF_LOGIC_MAX (256 * 1024)
#define WF_CONSTANT_NAME_MAX 64

/* Adds to `issues` whatever is wrong with `logic` for the flow that `plan` (without logic)
 * describes. */
void wf_logic_check(wf_ctx_t *ctx, wf_issues_t *issues, const wf_plan_t *plan,
                    const wf_json_t *logic);

/* ---- reply check (WHATSAPP.md 1.12, 1.13, rules 88-92) ------------------------------------- */

/* What the client would refuse in `reply` ({screen, data}, whose text has `len` bytes), in
 * ctx->pool, or NULL. `from` is the screen the user is on (NULL: none yet). Lengths over the
 * advised ones are logged only. */
const char *wf_reply_check(wf_ctx_t *ctx, const wf_plan_t *plan, const wf_flow_request_t *request,
                           const wf_plan_screen_t *from, const wf_json_t *reply, size_t len);

/* ---- turn: one exchange on its way through the engine -------------------------------------- */

#define WF_ANSWERS_MAX (256 * 1024) /* text of all answers of a session */
#define WF_HISTORY_MAX 100

typedef struct {
    wf_ctx_t *ctx;
    const wf_engine_in_t *in;
    const wf_session_t *session;  /* NULL for the anonymous too */
    const wf_plan_screen_t *from; /* the screen the user is on; NULL: none yet */
    wf_json_t *answers;           /* the session's with this request's data */
    wf_json_t *history;           /* with `from` on top; empty for INIT */
} wf_turn_t;

typedef struct {
    const wf_plan_screen_t *target; /* NULL: SUCCESS */
    const wf_json_t *data;          /* what logic gives for declared keys; NULL: nothing */
    wf_json_t *params;              /* of SUCCESS; NULL: all answers */
    const char *error_message;      /* NULL: none */
} wf_answer_t;

/* What the request does to the session so far: answers merged, history cut to the screen it names.
 * NULL, or why this request cannot be a turn at all (unknown screen or action, too much data); it
 * then holds what a fallback needs. */
const char *wf_turn_begin(wf_ctx_t *ctx, wf_turn_t *turn, const wf_engine_in_t *in);
/* Where BACK leads without logic. */
const wf_plan_screen_t *wf_turn_before(const wf_turn_t *turn);
/* The last good screen with its last data and an error_message. */
wf_answer_t wf_turn_fallback(const wf_turn_t *turn);
/* {screen, data}: every declared key filled. */
wf_json_t *wf_turn_reply(const wf_turn_t *turn, const wf_answer_t *answer);
/* The session after `answer` was sent as `reply`. */
wf_session_t *wf_turn_session(const wf_turn_t *turn, const wf_answer_t *answer, const char *reply);
/* The text for the user where nothing better is known: the flow's, the company's, ours. */
const char *wf_turn_error_message(const wf_turn_t *turn);

/* ---- rules --------------------------------------------------------------------------------- */

wf_scope_t wf_rules_scope(const wf_turn_t *turn);
/* The first rule that holds for this turn; NULL: none does. */
const wf_json_t *wf_rules_find(const wf_turn_t *turn);
/* What `rule` ({next, data, error_message} or {complete}) answers; or why it cannot. */
const char *wf_rules_answer(const wf_turn_t *turn, wf_answer_t *answer, const wf_json_t *rule);
/* The exchange as the company's server gets it. */
wf_json_t *wf_rules_question(const wf_turn_t *turn);
/* What the company's server answered; or why it is no answer. */
const char *wf_rules_reply(const wf_turn_t *turn, wf_answer_t *answer, const wf_json_t *reply);

#endif
