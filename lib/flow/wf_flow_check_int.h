/* Inside of the Flow JSON check; nobody but lib/flow/wf_flow_check*.c includes this.
 * The map from rule numbers to functions stands at the head of wf_flow_check.c. */
#ifndef WF_FLOW_CHECK_INT_H
#define WF_FLOW_CHECK_INT_H

#include "flow/wf_flow.h"

#include <apr_hash.h>

/* ---- types of JSON values, as sets ---- */

enum {
    WF_T_STR = 1,
    WF_T_NUM = 2,
    WF_T_BOOL = 4,
    WF_T_ARR = 8,
    WF_T_OBJ = 16,
    WF_T_ANY = 31 /* also: cannot be known before the flow runs */
};

/* ---- error names ---- */

/* Meta's names; its spelling mistakes are kept, because people search for them. */
#define WF_CHECK_CODES(X)                          \
    X(COMPONENTS_OUTSIDE_FORM)                     \
    X(COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN)        \
    X(DATA_SOURCE_ITEMS_HAVE_BOTH_IMAGE_AND_COLOR) \
    X(DUPLICATE_FORM_COMPONENT_NAMES)              \
    X(DUPLICATE_PROPETY_FOR_CONDITION)             \
    X(DUPLICATE_SCREEN_IDS)                        \
    X(EMPTY_SWITCH_CASES)                          \
    X(INVALID_ACTION_PAYLOAD_PROPERTY)             \
    X(INVALID_COMPLETE_ACTION)                     \
    X(INVALID_COMPONENT_PLACEMENT)                 \
    X(INVALID_DATA_API_VERSION)                    \
    X(INVALID_DATE_RANGE)                          \
    X(INVALID_DATE_SINGLE_INIT_VALUE_FORMAT)       \
    X(INVALID_DEPENDENCIES)                        \
    X(INVALID_ENUM_VALUE)                          \
    X(INVALID_FLOW_JSON)                           \
    X(INVALID_FLOW_JSON_VERSION)                   \
    X(INVALID_FOOTER_PAYLOAD_OUTSIDE_FORM)         \
    X(INVALID_MIN_MAX_DAYS)                        \
    X(INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME)    \
    X(INVALID_NAVIGATE_ACTION_PAYLOAD)             \
    X(INVALID_NAVIGATE_ACTION_STATIC_DATA)         \
    X(INVALID_ON_CLICK_ACTION_PAYLOAD)             \
    X(INVALID_PROPERTY_KEY)                        \
    X(INVALID_PROPERTY_TYPE)                       \
    X(INVALID_PROPERTY_VALUE)                      \
    X(INVALID_PROPERTY_VALUE_FORMAT)               \
    X(INVALID_PROPERTY_VALUE_FOR_CONDITION)        \
    X(INVALID_RICHTEXT_PLACEMENT)                  \
    X(INVALID_ROUTING_MODEL)                       \
    X(INVALID_SCREEN_DATA)                         \
    X(INVALID_SCREEN_DYNAMIC_DATA)                 \
    X(INVALID_SENSITIVE_FIELD)                     \
    X(INVALID_TEXT_DYNAMIC_DATA)                   \
    X(INVALID_UPDATE_DATA_ACTION_PAYLOAD)          \
    X(KEYWORD_ONE_OF)                              \
    X(MAXIMUM_IF_NESTING)                          \
    X(MAXIMUM_VALUE_REQUIRED)                      \
    X(MAX_ALLOWED_COMPONENTS_PER_SCREEN)           \
    X(MAX_CHARS_REQUIRED)                          \
    X(MAX_EMBEDDED_LINK_PER_SCREEN)                \
    X(MAX_FOOTER_PER_SCREEN)                       \
    X(MAX_IMAGE_PER_SCREEN)                        \
    X(MAX_ITEMS_REQUIRED)                          \
    X(MAX_OPT_IN_PER_SCREEN)                       \
    X(MAX_SCREENS_NUMBER)                          \
    X(MINIMUM_VALUE_REQUIRED)                      \
    X(MIN_CHARS_REQUIRED)                          \
    X(MIN_ITEMS_REQUIRED)                          \
    X(MIN_VALUE_GREATER_THAN_MAX)                  \
    X(MISSING_CALENDAR_PICKER_RANGE_MODE_PROP)     \
    X(MISSING_FLOW_JSON_VERSION)                   \
    X(MISSING_FOOTER_IN_IF_ELSE_BRANCHES)          \
    X(MISSING_FOOTER_IN_SWITCH_BRANCHES)           \
    X(MISSING_FOOTER_ON_TERMINAL_SCREEN)           \
    X(MISSING_NAVIGATION_ACTION_PAYLOAD)           \
    X(MISSING_REQUIRED_PROPERTY)                   \
    X(MISSING_REQUIRED_TYPE_PROPERTY)              \
    X(MISSING_TERMINAL_SCREEN)                     \
    X(MORE_THAN_ONE_FOOTER)                        \
    X(NATIVE_COMPONENT_IN_FORM_INIT_VALUES)        \
    X(NOT_KEYWORD_SCHEMA_VALIDATION_FAILED)        \
    X(NO_SUPPORTED_DATA_API_VERSION)               \
    X(PATTERN_MISMATCH)                            \
    X(SCREEN_ID_IS_RESERVED_KEYWORD)               \
    X(UNEXPECTED_CALENDAR_PICKER_RANGE_MODE_PROP)  \
    X(UNSUPPORTED_FLOW_JSON_VERSION)

#define WF_CHECK_CODE_ENUM(name) WFC_##name,
typedef enum { WF_CHECK_CODES(WF_CHECK_CODE_ENUM) WFC_COUNT } wf_check_code_t;
#undef WF_CHECK_CODE_ENUM

/* ---- places ---- */

/* Where the check stands in the document: a chain on the C stack, turned into a pointer only when
 * there is something to report. `key` NULL means an element of an array. */
typedef struct wf_place_t {
    const struct wf_place_t *up;
    const char *key;
    size_t index;
} wf_place_t;

static inline wf_place_t wf_place_key(const wf_place_t *up, const char *key)
{
    return (wf_place_t){up, key, 0};
}

static inline wf_place_t wf_place_index(const wf_place_t *up, size_t index)
{
    return (wf_place_t){up, NULL, index};
}

/* ---- data: wf_flow_check_tables.c (versions, actions, parts), wf_flow_check_components.c ---- */

/* A version "7.3" as a number to compare: 703. */
#define WF_FLOW_VERSION(major, minor) ((major)*100 + (minor))

typedef enum { WF_VERSION_AVAILABLE, WF_VERSION_FROZEN, WF_VERSION_EXPIRED } wf_version_state_t;

typedef struct {
    const char *text;
    int number;
    wf_version_state_t state;
} wf_flow_version_t;

/* NULL if there is no such version. */
const wf_flow_version_t *wf_flow_version_find(const char *text);
const wf_flow_version_t *wf_flow_version_newest(void);
int wf_data_api_version_is(const char *text);
/* Of files that DocumentPicker takes. */
int wf_mime_type_is(const char *text);

/* Actions, as bits of what a property may hold. */
enum {
    WF_A_NAVIGATE = 1,
    WF_A_DATA_EXCHANGE = 2,
    WF_A_COMPLETE = 4,
    WF_A_UPDATE_DATA = 8,
    WF_A_OPEN_URL = 16
};

struct wf_check_t;
struct wf_scope_t;
struct wf_prop_t;
struct wf_ref_t;

/* A rule of its own for one property, beyond what the table says. `value` has an allowed static
 * type, and `ref` is NULL; or it is a reference or expression, and `ref` says where it leads. */
typedef void wf_prop_check_fn(struct wf_check_t *c, const struct wf_scope_t *scope,
                              const wf_place_t *at, const struct wf_prop_t *prop,
                              const wf_json_t *value, const struct wf_ref_t *ref);

enum {
    WF_P_SOFT_REQUIRED = 1,  /* its absence only warns: real flows do without it */
    WF_P_NOT_BLANK = 2,      /* white space alone is no text */
    WF_P_HARD_LENGTH = 4,    /* too long is refused, not cut off */
    WF_P_UNDOCUMENTED = 8,   /* real flows have it, Meta's pages do not: warns */
    WF_P_RICH = 16,          /* a wrong reference has its own error name */
    WF_P_OUTSIDE_FORM = 32,  /* belongs to inputs that stand outside a Form */
    WF_P_NOT_EMPTY = 64,     /* a string needs one character at least */
    WF_P_RANGE_OBJECT = 128, /* {"start-date", "end-date"} in CalendarPicker's range mode */
    WF_P_PREFILL = 256,      /* an undeclared reference only means that nothing is filled in */
    WF_P_TEXT_LIST = 512     /* an array of strings is a text from 5.1 on */
};

typedef struct wf_prop_t {
    const char *name;
    unsigned types; /* of a static value */
    unsigned refs;  /* that a reference may lead to; 0: must be static */
    unsigned flags;
    int required;              /* the version from which it is; 1: always; 0: never */
    int since;                 /* 0: always */
    int until;                 /* first version that refuses it; 0: none */
    size_t chars;              /* 0: no limit */
    size_t chars_more;         /* where the sources differ: the larger limit */
    const char *const *values; /* the only strings allowed, NULL-terminated */
    int min, max;              /* of a number, where max > min; else min is the lower bound */
    unsigned actions;          /* where the value is an action */
    wf_prop_check_fn *check;
} wf_prop_t;

enum {
    WF_C_INPUT = 1,  /* has a value, ${form.name} */
    WF_C_PICKER = 2, /* photos or documents */
    WF_C_IN_IF = 4,
    WF_C_IN_SWITCH = 8,
    WF_C_IN_BRANCH_71 = 16, /* inside If and Switch from 7.1 on */
    WF_C_NAMED = 32,        /* ${form.name} without being an input of a Form */
    WF_C_FREE = 64,         /* may stand beside a Form that does not hold it */
    WF_C_TEXT = 128         /* shows text, nothing to operate */
};

typedef enum {
    WF_COUNT_FOOTER,
    WF_COUNT_EMBEDDED_LINK,
    WF_COUNT_IMAGE,
    WF_COUNT_OPT_IN,
    WF_COUNT_NAVIGATION_LIST,
    WF_COUNT_IMAGE_CAROUSEL,
    WF_COUNT_PHOTO_PICKER,
    WF_COUNT_DOCUMENT_PICKER,
    WF_COUNT_RICH_TEXT,
    WF_COUNTED,
    WF_COUNT_NONE = WF_COUNTED
} wf_counted_t;

typedef struct {
    const char *type;
    unsigned flags;
    int since;
    wf_counted_t counted;
    unsigned value;         /* type of ${form.name} */
    const wf_prop_t *props; /* ends with a NULL name */
} wf_component_t;

/* NULL if there is none. */
const wf_component_t *wf_component_find(const char *type);

/* How many of a counted component one screen may show, and the name of the error before 4.0. */
typedef struct {
    const char *type;
    int max;
    wf_check_code_t old_code;
} wf_count_limit_t;
const wf_count_limit_t *wf_count_limit(wf_counted_t counted);

typedef struct {
    const char *name;
    unsigned bit;
    int since;
    const wf_prop_t *props;
} wf_action_kind_t;
const wf_action_kind_t *wf_action_kind_find(const char *name);
/* "navigate, complete": the names of the bits that `version` knows. */
const char *wf_action_names(apr_pool_t *pool, unsigned bits, int version);

extern const wf_prop_t wf_props_document[];
extern const wf_prop_t wf_props_screen[];
extern const wf_prop_t wf_props_layout[];
extern const wf_prop_t wf_props_option[];
extern const wf_prop_t wf_props_next[];
extern const wf_prop_t wf_props_list_item[];
extern const wf_prop_t wf_props_item_main[];
extern const wf_prop_t wf_props_item_start[];
extern const wf_prop_t wf_props_item_end[];
extern const wf_prop_t wf_props_carousel_image[];

/* ---- what is known of the document ---- */

#define WF_ROUTES_MAX 64 /* per screen; Meta allows 10: what is beyond is reported and left out */
#define WF_SCREENS_MAX 1000 /* Meta allows 100 */

typedef struct {
    size_t to[WF_ROUTES_MAX]; /* index in wf_check_t.screens; no target twice */
    int side[WF_ROUTES_MAX];  /* only by a link beside the main way: EmbeddedLink, OptIn */
    size_t count;
    int overflow;
} wf_routes_t;

typedef struct {
    const wf_component_t *kind;
    const wf_json_t *json;
    int shown_by_data; /* `visible` is a reference */
} wf_input_t;

typedef struct {
    const char *id; /* NULL where the document has none */
    size_t index;   /* in screens[] */
    const wf_json_t *json;
    const wf_json_t *data; /* the data model; NULL if there is none or it is empty */
    int terminal;
    int has_form;
    const char *form_name;
    apr_hash_t *inputs; /* name -> wf_input_t */
    wf_routes_t listed; /* in routing_model */
    wf_routes_t walked; /* by navigate actions */
} wf_screen_t;

typedef struct wf_check_t {
    wf_ctx_t *ctx;
    apr_pool_t *pool; /* of the caller: issues */
    apr_pool_t *tmp;  /* of the check */
    wf_issues_t *out;
    int soft; /* above 0: errors are reported as warnings */
    const wf_json_t *doc;
    int version; /* 703; the newest where the document has no usable one */
    int version_known;
    int has_api;              /* data_api_version is there */
    const wf_json_t *routing; /* routing_model where it is an object */
    int exchanges;            /* data_exchange actions seen */
    int carousels;            /* of the whole flow */
    wf_screen_t *screens;
    size_t screen_count;
    apr_hash_t *by_id; /* id -> wf_screen_t */
} wf_check_t;

/* Who is being checked: handed down, never changed by the callee. */
typedef struct wf_scope_t {
    wf_screen_t *screen; /* NULL outside screens */
    const wf_json_t *component;
    const wf_component_t *kind; /* NULL: unknown type */
    const char *what;           /* for messages: "TextInput", "option", "navigate action" */
    int in_form;
    int in_list_item;          /* a NavigationList's item */
    unsigned action;           /* whose members are being read */
    const wf_screen_t *target; /* of a navigate action */
} wf_scope_t;

/* ---- reporting: wf_flow_check_report.c ---- */

void wf_check_report(wf_check_t *c, wf_issue_level_t level, const wf_place_t *at,
                     wf_check_code_t code, const char *fmt, ...) WF_PRINTF(5, 6);
#define wf_check_error(c, at, code, ...) wf_check_report(c, WF_ISSUE_ERROR, at, code, __VA_ARGS__)
#define wf_check_warn(c, at, code, ...) wf_check_report(c, WF_ISSUE_WARNING, at, code, __VA_ARGS__)
/* Enough errors: no need to read on. */
int wf_check_is_full(const wf_check_t *c);
/* Text from the document for a message: at most some 60 bytes, and the same in quotes. */
const char *wf_check_shorten(const wf_check_t *c, const char *text);
const char *wf_check_quote(const wf_check_t *c, const char *text);
/* "string or array" */
const char *wf_check_types_text(const wf_check_t *c, unsigned types);
/* Fills in spans and puts the issues into the order of the text. */
void wf_check_finish_issues(wf_check_t *c, const char *text, size_t len);

/* ---- members and values: wf_flow_check_value.c ---- */

unsigned wf_check_type_bit(const wf_json_t *value);
/* Rules 7, 10-16, 84, 85 for one object against its table. */
void wf_check_members(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_json_t *object, const wf_prop_t *props);
/* true, and the string "true", which people write: the wrong type is reported elsewhere. */
int wf_check_means_true(const wf_json_t *value);

/* ---- references and expressions: wf_flow_check_ref.c, wf_flow_check_expr.c ---- */

typedef enum {
    WF_TEXT_STATIC,
    WF_TEXT_REF,      /* ${a.b} */
    WF_TEXT_BACKTICK, /* `...` */
    WF_TEXT_BRACED,   /* ${ an expression }: undocumented, seen in real flows */
    WF_TEXT_MIXED     /* text with references in it */
} wf_text_form_t;

wf_text_form_t wf_check_text_form(const char *text, size_t len);
typedef struct wf_ref_t {
    unsigned types;            /* 0: broken, and reported */
    const wf_json_t *declared; /* in a data model, where it leads there */
    const wf_input_t *input;   /* where it leads to an input */
} wf_ref_t;

/* Rules 14, 44, 47, 49, 50, 59, 60 for a string that is not WF_TEXT_STATIC. */
void wf_check_dynamic(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                      const wf_json_t *value, wf_ref_t *out);
wf_prop_check_fn wf_check_condition; /* an If's: rule 50 */

typedef enum {
    WF_EXPR_CONDITION, /* If.condition */
    WF_EXPR_BACKTICK,
    WF_EXPR_BRACED /* paths without ${}, and ?: */
} wf_expr_form_t;

/* What an expression needs to know and tell. Columns count from 1. */
typedef struct {
    unsigned (*path)(void *baton, const char *path, size_t len); /* ${path}: types, 0 if broken */
    unsigned (*word)(void *baton, const char *word, size_t len); /* a bare word: 0 if unknown */
    void (*problem)(void *baton, wf_issue_level_t level, const char *text);
    void *baton;
} wf_expr_host_t;

/* Types of the result; 0 where it has an error (which the host was told). */
unsigned wf_expr_check(apr_pool_t *pool, const wf_expr_host_t *host, wf_expr_form_t form,
                       const char *text, size_t len);

/* ---- data models: wf_flow_check_data.c ---- */

wf_prop_check_fn wf_check_data_model; /* rules 41-43, 67, 87 */
/* Types of a declaration; WF_T_ANY where it does not say. */
unsigned wf_data_types(const wf_json_t *declaration);
typedef enum { WF_DATA_FOUND, WF_DATA_UNKNOWN, WF_DATA_IN_ARRAY, WF_DATA_OPEN } wf_data_find_t;
/* Follows "a.b.c" from a data model. WF_DATA_OPEN: an object that does not say what is in it. */
wf_data_find_t wf_data_find(const wf_check_t *c, const wf_json_t **declaration,
                            const wf_json_t *model, const char *path);
/* Does a static value have the declared type, all the way down? */
int wf_data_fits(const wf_json_t *declaration, const wf_json_t *value);

/* ---- actions: wf_flow_check_action.c ---- */

wf_prop_check_fn wf_check_action;  /* rules 12, 51-66, 84 */
wf_prop_check_fn wf_check_payload; /* rules 58-66, 87 */
wf_prop_check_fn wf_check_url;     /* rule 9 */

/* ---- components: wf_flow_check_component.c, wf_flow_check_list.c, wf_flow_check_date.c ---- */

wf_prop_check_fn wf_check_layout, wf_check_children, wf_check_cases;
wf_prop_check_fn wf_check_init_values, wf_check_error_messages;
/* All of a component but its place on the screen. */
void wf_check_component(wf_check_t *c, const wf_scope_t *outer, const wf_place_t *at,
                        const wf_json_t *component);
wf_prop_check_fn wf_check_options, wf_check_list_items, wf_check_item_main, wf_check_item_start,
    wf_check_item_end, wf_check_tags, wf_check_carousel;
wf_prop_check_fn wf_check_image, wf_check_color, wf_check_string_items, wf_check_one_choice;
wf_prop_check_fn wf_check_mime_types, wf_check_days_of_week;
wf_prop_check_fn wf_check_date, wf_check_dates, wf_check_date_init;
void wf_check_date_limits(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                          const wf_json_t *component);
void wf_check_calendar_mode(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                            const wf_json_t *component);

/* ---- document, screens, structure, routing ---- */

/* wf_flow_check_document.c: rules 2-8, 17-28. */
void wf_check_versions(wf_check_t *c);
void wf_check_collect_screens(wf_check_t *c);
void wf_check_document(wf_check_t *c);
wf_prop_check_fn wf_check_screens, wf_check_screen_id, wf_check_sensitive;

/* wf_flow_check_structure.c: rules 24, 26, 68-75; also collects a screen's inputs. */
void wf_check_structure(wf_check_t *c, wf_screen_t *screen, const wf_place_t *at);

/* wf_flow_check_routing.c: rules 29-40. */
void wf_check_routing_model(wf_check_t *c);
void wf_check_route_walked(wf_check_t *c, const wf_scope_t *scope, const wf_place_t *at,
                           const wf_screen_t *target);
void wf_check_routes(wf_check_t *c);

#endif
