/* ${path} in the texts of logic, and what such a path reads. */
#include "flow/wf_engine_int.h"

#include <string.h>

/* ---- scope ---- */

static int is_segment(wf_slice_t s, const char *name)
{
    return s.len == strlen(name) && memcmp(s.data, name, s.len) == 0;
}

/* Takes the first member off a path. */
static wf_slice_t first_segment(wf_slice_t *path)
{
    const char *dot = path->len ? memchr(path->data, '.', path->len) : NULL;
    wf_slice_t first = {path->data, dot ? (size_t)(dot - path->data) : path->len};

    path->data += first.len + (dot != NULL);
    path->len -= first.len + (dot != NULL);
    return first;
}

static wf_value_t read_flow(const wf_scope_t *scope, wf_slice_t name)
{
    const char *text = is_segment(name, "name")    ? scope->flow_name
                       : is_segment(name, "token") ? scope->flow_token
                                                   : NULL;

    if (is_segment(name, "version")) {
        return wf_value_number(scope->flow_version);
    }
    return text ? wf_value_text(text, strlen(text)) : wf_value_of(NULL);
}

/* {current, accumulator} where reduce reads them; else the element itself. */
static wf_value_t read_element(const wf_scope_t *scope, wf_slice_t path)
{
    wf_slice_t rest = path, first;
    wf_json_t *both;

    if (!scope->accumulator) {
        return wf_value_walk(scope->element, path.data, path.len);
    }
    if (path.len == 0) {
        both = wf_json_object_make(scope->ctx->pool);
        wf_json_set(both, "current", wf_value_json(scope->ctx->pool, scope->element));
        wf_json_set(both, "accumulator", wf_value_json(scope->ctx->pool, *scope->accumulator));
        return wf_value_of(both);
    }
    first = first_segment(&rest);
    if (is_segment(first, "current")) {
        return wf_value_walk(scope->element, rest.data, rest.len);
    }
    if (is_segment(first, "accumulator")) {
        return wf_value_walk(*scope->accumulator, rest.data, rest.len);
    }
    return wf_value_of(NULL);
}

wf_value_t wf_scope_read(const wf_scope_t *scope, const char *path, size_t len)
{
    wf_slice_t rest = {path, len}, first;
    const wf_json_t *from = NULL;

    if (scope->is_element) {
        return read_element(scope, rest);
    }
    first = first_segment(&rest);
    if (is_segment(first, "data")) {
        from = scope->data;
    } else if (is_segment(first, "session")) {
        from = scope->session;
    } else if (is_segment(first, "company")) {
        from = scope->company;
    } else if (is_segment(first, "static")) {
        first = first_segment(&rest);
        from = wf_plan_part(scope->plan, WF_PLAN_CONSTANT, first.data, first.len);
    } else if (is_segment(first, "flow")) {
        return read_flow(scope, rest);
    }
    return wf_value_walk(wf_value_of(from), rest.data, rest.len);
}

/* ---- parts of a text ---- */

static const char *find_open(const char *c, const char *end)
{
    for (; c + 1 < end; c++) {
        if (c[0] == '$' && c[1] == '{') {
            return c;
        }
    }
    return NULL;
}

int wf_template_is(const wf_json_t *text)
{
    const char *c = wf_json_str(text);

    return c && find_open(c, c + wf_json_str_len(text)) != NULL;
}

int wf_template_next(wf_template_part_t *part, wf_slice_t *rest)
{
    const char *end = rest->data + rest->len, *open, *close = NULL;

    memset(part, 0, sizeof(*part));
    if (rest->len == 0) {
        return 0;
    }
    open = find_open(rest->data, end);
    if (open) {
        close = memchr(open, '}', (size_t)(end - open));
    }
    part->is_path = close && open == rest->data;
    part->text.data = part->is_path ? open + 2 : rest->data;
    part->text.len = (size_t)((part->is_path ? close : close ? open : end) - part->text.data);
    rest->data = part->is_path ? close + 1 : part->text.data + part->text.len;
    rest->len = (size_t)(end - rest->data);
    return 1;
}

/* ---- filling ---- */

static int is_list_of_scalars(const wf_json_t *list)
{
    size_t i;

    for (i = 0; i < wf_json_len(list); i++) {
        if (wf_json_len(wf_json_at(list, i)) > 0) {
            return 0;
        }
    }
    return wf_json_type(list) == WF_JSON_ARRAY;
}

/* For people to read: a list of choices as "a, b", other trees as JSON, nothing as nothing. */
static void add_value(wf_buf_t *out, wf_value_t v)
{
    wf_slice_t text;
    size_t i, len;

    if (v.kind == WF_VALUE_UNDEFINED || v.kind == WF_VALUE_NULL) {
        return;
    }
    if (v.kind != WF_VALUE_TREE) {
        text = wf_value_to_text(out->pool, v);
        wf_buf_add(out, text.data, text.len);
    } else if (is_list_of_scalars(v.tree)) {
        for (i = 0; i < wf_json_len(v.tree); i++) {
            wf_buf_puts(out, i ? ", " : "");
            add_value(out, wf_value_of(wf_json_at(v.tree, i)));
        }
    } else {
        const char *json = wf_json_text(out->pool, v.tree, &len);
        wf_buf_add(out, json, len);
    }
}

static wf_json_t *fill_text(const wf_json_t *text, const wf_scope_t *scope)
{
    wf_slice_t rest = {wf_json_str(text), wf_json_str_len(text)};
    wf_template_part_t part;
    wf_value_t v;
    wf_buf_t out;
    int more = wf_template_next(&part, &rest);

    if (more && part.is_path && rest.len == 0) {
        v = wf_scope_read(scope, part.text.data, part.text.len);
        return v.kind == WF_VALUE_UNDEFINED || v.kind == WF_VALUE_NULL
                   ? NULL
                   : wf_value_json(scope->ctx->pool, v);
    }
    wf_buf_init(&out, scope->ctx->pool, 128, WF_TEXT_MAX);
    for (; more; more = wf_template_next(&part, &rest)) {
        if (part.is_path) {
            add_value(&out, wf_scope_read(scope, part.text.data, part.text.len));
        } else {
            wf_buf_add(&out, part.text.data, part.text.len);
        }
    }
    if (out.failed) {
        wf_log(scope->ctx, WF_LOG_WARNING,
               WFLOGNO(0243) "a text of the flow's logic grew over %d bytes and is left out",
               WF_TEXT_MAX);
        return NULL;
    }
    return wf_json_strn_make(scope->ctx->pool, out.data, out.len);
}

/* Depth is bounded by the parser of the plan. */
wf_json_t *wf_template_fill(const wf_json_t *value, const wf_scope_t *scope)
{
    wf_json_t *filled;
    size_t i;

    switch (wf_json_type(value)) {
    case WF_JSON_STRING:
        if (wf_template_is(value)) {
            return fill_text(value, scope);
        }
        break;
    case WF_JSON_ARRAY:
        filled = wf_json_array_make(scope->ctx->pool);
        for (i = 0; i < wf_json_len(value); i++) {
            wf_json_push(filled, wf_template_fill(wf_json_at(value, i), scope));
        }
        return filled;
    case WF_JSON_OBJECT:
        filled = wf_json_object_make(scope->ctx->pool);
        for (wf_json_iter_t it = wf_json_iter(value); wf_json_next(&it);) {
            wf_json_set(filled, it.key, wf_template_fill(it.value, scope));
        }
        return filled;
    default:
        break;
    }
    /* As it is, shared: the plan is never changed. */
    return (wf_json_t *)(uintptr_t)value;
}
