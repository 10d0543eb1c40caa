#include "flow/wf_engine_int.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_MAX (16 * 1024 * 1024) /* Flow JSON is at most 10 MB, logic 256 KiB */
#define SCREENS_MAX 100
#define SCREEN_NAME_MAX 200

typedef struct {
    const char *name;
    const wf_json_t *json;
    int in_routing;   /* a key of routing_model */
    const char *next; /* names parted by commas */
    const char *prev;
} screen_t;

typedef struct {
    wf_ctx_t *ctx;
    const wf_json_t *flow;
    int major; /* of the Flow JSON version */
    int routed;
    screen_t screens[SCREENS_MAX];
    size_t count;
} compile_t;

/* ---- screens and routes ---- */

static screen_t *find_screen(compile_t *c, const char *name)
{
    size_t i;

    for (i = 0; name && i < c->count; i++) {
        if (strcmp(c->screens[i].name, name) == 0) {
            return &c->screens[i];
        }
    }
    return NULL;
}

/* What wf_flow_check lets through is stricter; this is what a line of the plan can hold. */
static int is_screen_name(const wf_json_t *id)
{
    const char *name = wf_json_str(id);
    size_t i, len = wf_json_str_len(id);

    if (len == 0 || len > SCREEN_NAME_MAX || strcmp(name, WF_SCREEN_SUCCESS) == 0) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == ',') {
            return 0;
        }
    }
    return 1;
}

static wf_status_t read_screens(compile_t *c)
{
    const wf_json_t *list = wf_json_get(c->flow, "screens");
    size_t i;

    for (i = 0; i < wf_json_len(list) && c->count < SCREENS_MAX; i++) {
        const wf_json_t *screen = wf_json_at(list, i), *id = wf_json_get(screen, "id");
        if (is_screen_name(id) && !find_screen(c, wf_json_str(id))) {
            screen_t *s = &c->screens[c->count++];
            s->name = wf_json_str(id);
            s->json = screen;
            s->next = "";
            s->prev = "";
        }
    }
    if (c->count == 0) {
        return wf_fail_public(c->ctx, WF_EINVALID, WFLOGNO(0238) "the flow has no usable screen");
    }
    return WF_OK;
}

static const char *with_name(compile_t *c, const char *names, const char *name)
{
    return apr_pstrcat(c->ctx->pool, names, names[0] ? "," : "", name, NULL);
}

/* An absent or empty routing_model (Meta then derives it from navigate actions) forbids nothing. */
static void read_routes(compile_t *c)
{
    const wf_json_t *model = wf_json_get(c->flow, "routing_model");
    size_t i;

    c->routed = wf_json_type(model) == WF_JSON_OBJECT && wf_json_len(model) > 0;
    for (wf_json_iter_t it = wf_json_iter(model); wf_json_next(&it);) {
        screen_t *from = find_screen(c, it.key);
        if (!from) {
            continue;
        }
        from->in_routing = 1;
        for (i = 0; i < wf_json_len(it.value); i++) {
            screen_t *to = find_screen(c, wf_json_str(wf_json_at(it.value, i)));
            if (to && to != from) {
                from->next = with_name(c, from->next, to->name);
                to->prev = with_name(c, to->prev, from->name);
            }
        }
    }
}

static int is_entry(const compile_t *c, const screen_t *screen)
{
    return !c->routed || screen->prev[0] == '\0';
}

/* Where INIT begins: the first screen that nobody leads to, and rather one that routing_model
 * knows. */
static const screen_t *entry_screen(const compile_t *c)
{
    const screen_t *entry = NULL;
    size_t i;

    if (!c->routed) {
        return &c->screens[0];
    }
    for (i = c->count; i-- > 0;) {
        const screen_t *s = &c->screens[i];
        if (is_entry(c, s) && (s->in_routing || !entry || !entry->in_routing)) {
            entry = s;
        }
    }
    return entry ? entry : &c->screens[0];
}

/* ---- option lists ---- */

typedef struct {
    const char *component;
    const char *property;
    int min, max, max_with_image;
} option_limits_t;

/* WHATSAPP.md 2.8 */
static const option_limits_t option_limits[] = {
    {"CheckboxGroup", "data-source", 1, 20, 20}, {"RadioButtonsGroup", "data-source", 1, 20, 20},
    {"Dropdown", "data-source", 1, 200, 100},    {"ChipsSelector", "data-source", 2, 20, 20},
    {"NavigationList", "list-items", 1, 20, 20},
};

/* KEY of "${data.KEY}", else NULL. */
static const char *bound_key(apr_pool_t *pool, const wf_json_t *source)
{
    const char *text = wf_json_str(source);
    size_t len = wf_json_str_len(source);

    if (!text || len < sizeof("${data.}") || strncmp(text, "${data.", 7) != 0 ||
        text[len - 1] != '}' || strlen(text) != len) {
        return NULL;
    }
    return apr_pstrmemdup(pool, text + 7, len - 8);
}

static void limit_options(compile_t *c, wf_json_t *model, const wf_json_t *component,
                          int conditional)
{
    const char *type = wf_json_get_str(component, "type", "");
    size_t i;

    for (i = 0; i < sizeof(option_limits) / sizeof(option_limits[0]); i++) {
        const option_limits_t *limits = &option_limits[i];
        const char *key = bound_key(c->ctx->pool, wf_json_get(component, limits->property));
        wf_json_t *declaration = key ? wf_json_get(model, key) : NULL, *out;

        if (strcmp(limits->component, type) != 0 || !declaration ||
            wf_json_has(declaration, WF_DATA_OPTIONS)) {
            continue;
        }
        out = wf_json_object_make(c->ctx->pool);
        /* A list that is not shown may be empty. */
        wf_json_set_int(out, "min",
                        conditional || wf_json_has(component, "visible") ? 0 : limits->min);
        wf_json_set_int(out, "max", limits->max);
        wf_json_set_int(out, "max_with_image", limits->max_with_image);
        wf_json_set_int(out, "image_max", (c->major >= 6 ? 100 : 300) * 1024);
        wf_json_set(declaration, WF_DATA_OPTIONS, out);
    }
}

/* Depth is bounded by the parser of Flow JSON. */
static void walk_layout(compile_t *c, wf_json_t *model, const wf_json_t *node, int conditional)
{
    const char *type = wf_json_get_str(node, "type", "");
    size_t i;

    if (wf_json_type(node) == WF_JSON_ARRAY) {
        for (i = 0; i < wf_json_len(node); i++) {
            walk_layout(c, model, wf_json_at(node, i), conditional);
        }
        return;
    }
    conditional = conditional || strcmp(type, "If") == 0 || strcmp(type, "Switch") == 0;
    limit_options(c, model, node, conditional);
    for (wf_json_iter_t it = wf_json_iter(node); wf_json_next(&it);) {
        walk_layout(c, model, it.value, conditional);
    }
}

/* ---- columns ---- */

/* What is left of a declaration when only what a value must be counts. Depth is bounded by the
 * parser of Flow JSON. */
static wf_json_t *compact(compile_t *c, wf_json_t *declaration)
{
    wf_json_t *type = wf_json_get(declaration, "type"), *items = wf_json_get(declaration, "items");
    const wf_json_t *properties = wf_json_get(declaration, "properties");
    wf_json_t *out = wf_json_object_make(c->ctx->pool), *inner;

    wf_json_set(out, "type", type);
    wf_json_set(out, WF_DATA_OPTIONS, wf_json_get(declaration, WF_DATA_OPTIONS));
    if (wf_json_type(items) == WF_JSON_OBJECT) {
        wf_json_set(out, "items", compact(c, items));
    }
    if (wf_json_type(properties) == WF_JSON_OBJECT) {
        inner = wf_json_object_make(c->ctx->pool);
        for (wf_json_iter_t it = wf_json_iter(properties); wf_json_next(&it);) {
            wf_json_set(inner, it.key, compact(c, it.value));
        }
        wf_json_set(out, "properties", inner);
    }
    return wf_json_len(out) == 1 && wf_json_str(type) ? type : out;
}

/* {key: declaration} without the examples, which are preview data and never values. */
static wf_json_t *model_of(compile_t *c, const screen_t *screen)
{
    wf_json_t *all = wf_json_object_make(c->ctx->pool), *declaration, *model;

    for (wf_json_iter_t it = wf_json_iter(wf_json_get(screen->json, "data")); wf_json_next(&it);) {
        if (wf_json_type(it.value) == WF_JSON_OBJECT) {
            declaration = wf_json_copy(c->ctx->pool, it.value);
            wf_json_remove(declaration, WF_DATA_OPTIONS);
            wf_json_set(all, it.key, declaration);
        }
    }
    walk_layout(c, all, wf_json_get(screen->json, "layout"), 0);
    model = wf_json_object_make(c->ctx->pool);
    for (wf_json_iter_t it = wf_json_iter(all); wf_json_next(&it);) {
        wf_json_set(model, it.key, compact(c, it.value));
    }
    return model;
}

/* A flow may declare what the client takes out of an answer before it looks at the data
 * (WHATSAPP.md rule 67). The key must be there, but an example would be shown as an error: empty is
 * ignored. */
static int is_taken_out(const char *key)
{
    return strcmp(key, "error_message") == 0 || strcmp(key, "extension_message_response") == 0;
}

/* Something of the declared type, for a flow whose example is missing or wrong. */
static wf_json_t *zero_of(apr_pool_t *pool, const wf_json_t *declaration)
{
    switch (wf_data_type(declaration)) {
    case WF_JSON_NUMBER:
        return wf_json_int_make(pool, 0);
    case WF_JSON_BOOLEAN:
        return wf_json_bool_make(pool, 0);
    case WF_JSON_ARRAY:
        return wf_json_array_make(pool);
    case WF_JSON_OBJECT:
        return wf_json_object_make(pool);
    default:
        return wf_json_str_make(pool, "");
    }
}

static wf_json_t *examples_of(compile_t *c, const screen_t *screen, const wf_json_t *model)
{
    const wf_json_t *data = wf_json_get(screen->json, "data");
    wf_json_t *examples = wf_json_object_make(c->ctx->pool), *example;

    for (wf_json_iter_t it = wf_json_iter(model); wf_json_next(&it);) {
        example = wf_json_get(wf_json_get(data, it.key), "__example__");
        if (!example || is_taken_out(it.key) ||
            wf_data_misfit(c->ctx->pool, it.key, it.value, example)) {
            example = zero_of(c->ctx->pool, it.value);
        }
        wf_json_set(examples, it.key, example);
    }
    return examples;
}

/* ---- text ---- */

static void add_column(wf_buf_t *text, const wf_json_t *v)
{
    size_t len;
    const char *json = wf_json_text(text->pool, v, &len);

    wf_buf_putc(text, '\t');
    wf_buf_add(text, json, len);
}

static void add_line(wf_buf_t *text, wf_plan_kind_t kind, const char *name)
{
    wf_buf_putc(text, (char)kind);
    wf_buf_putc(text, '\t');
    wf_buf_puts(text, name);
}

static void add_text(wf_buf_t *text, const char *column)
{
    wf_buf_putc(text, '\t');
    wf_buf_puts(text, column);
}

static void add_screen(compile_t *c, wf_buf_t *text, const screen_t *screen)
{
    wf_json_t *model = model_of(c, screen);

    add_line(text, WF_PLAN_SCREEN, screen->name);
    add_text(text, apr_pstrcat(c->ctx->pool, is_entry(c, screen) ? "e" : "",
                               wf_json_get_bool(screen->json, "terminal", 0) ? "t" : "", NULL));
    add_text(text, screen->next);
    add_text(text, screen->prev);
    add_column(text, model);
    add_column(text, examples_of(c, screen, model));
    wf_buf_putc(text, '\n');
}

static void add_flow(compile_t *c, wf_buf_t *text, const wf_json_t *logic)
{
    const wf_json_t *message = wf_json_get(logic, "error_message");
    size_t i;

    wf_buf_puts(text, WF_PLAN_FORMAT "\n");
    add_line(text, WF_PLAN_HEAD, entry_screen(c)->name);
    add_text(text, c->routed ? "routed" : "");
    if (wf_json_str(message)) {
        add_column(text, message);
    } else {
        add_text(text, "");
    }
    wf_buf_putc(text, '\n');
    for (i = 0; i < c->count; i++) {
        add_screen(c, text, &c->screens[i]);
    }
}

static void add_part(wf_buf_t *text, wf_plan_kind_t kind, const char *name, const wf_json_t *v)
{
    if (v) {
        add_line(text, kind, name);
        add_column(text, v);
        wf_buf_putc(text, '\n');
    }
}

static void add_parts(wf_buf_t *text, wf_plan_kind_t kind, const wf_json_t *members)
{
    for (wf_json_iter_t it = wf_json_iter(members); wf_json_next(&it);) {
        add_part(text, kind, it.key, it.value);
    }
}

/* Only what wf_logic_check has found good is added: names without tabs, JSON without surprises. */
static void add_logic(wf_buf_t *text, const wf_json_t *logic)
{
    add_part(text, WF_PLAN_INIT, "", wf_json_get(logic, "init"));
    add_parts(text, WF_PLAN_RULES, wf_json_get(logic, "screens"));
    add_parts(text, WF_PLAN_BACK, wf_json_get(logic, "back"));
    add_part(text, WF_PLAN_BACKEND, "", wf_json_get(logic, "backend"));
    add_parts(text, WF_PLAN_CONSTANT, wf_json_get(logic, "static"));
}

wf_status_t wf_plan_compile(wf_ctx_t *ctx, const char **plan, size_t *plan_len, wf_issues_t *issues,
                            const wf_json_t *flow_json, const wf_json_t *logic)
{
    compile_t *c = apr_pcalloc(ctx->pool, sizeof(*c));
    wf_plan_t *without_logic;
    wf_buf_t text;
    wf_status_t st;

    *plan = NULL;
    *plan_len = 0;
    c->ctx = ctx;
    c->flow = flow_json;
    c->major = (int)strtol(wf_json_get_str(flow_json, "version", "0"), NULL, 10);
    if ((st = read_screens(c)) != WF_OK) {
        return st;
    }
    read_routes(c);
    wf_buf_init(&text, ctx->pool, 4096, PLAN_MAX);
    add_flow(c, &text, logic);
    if (logic && !text.failed) {
        if ((st = wf_plan_open(ctx, &without_logic, text.data, text.len)) != WF_OK) {
            return st;
        }
        wf_logic_check(ctx, issues, without_logic, logic);
        add_logic(&text, logic);
    }
    if (issues->errors > 0) {
        return WF_OK;
    }
    if (text.failed) {
        return wf_fail_public(ctx, WF_ELIMIT, WFLOGNO(0239) "the flow is too large for a plan");
    }
    *plan = text.data;
    *plan_len = text.len;
    return WF_OK;
}
