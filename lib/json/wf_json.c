#include "json/wf_json_int.h"

#include <json-c/json.h>
#include <math.h>
#include <string.h>

/* A wf_json_t* is a json_object* underneath, except that json-c shows JSON null as a NULL pointer,
 * which we need for "absent": `null_mark` stands for it wherever we hand one out. */
static char null_mark;
#define NULL_VALUE ((wf_json_t *)(void *)&null_mark)

static struct json_object *in(const wf_json_t *v)
{
    if (v == NULL || v == NULL_VALUE) {
        return NULL;
    }
    return (struct json_object *)(uintptr_t)v;
}

static wf_json_t *out_value(struct json_object *o)
{
    return o ? (wf_json_t *)o : NULL_VALUE;
}

static apr_status_t put(void *data)
{
    json_object_put(data);
    return APR_SUCCESS;
}

wf_json_t *wf_json_own(apr_pool_t *pool, struct json_object *o)
{
    if (o) {
        apr_pool_cleanup_register(pool, o, put, apr_pool_cleanup_null);
    }
    return out_value(o);
}

wf_json_type_t wf_json_type(const wf_json_t *v)
{
    if (v == NULL) {
        return WF_JSON_ABSENT;
    }
    switch (json_object_get_type(in(v))) {
    case json_type_boolean:
        return WF_JSON_BOOLEAN;
    case json_type_double:
    case json_type_int:
        return WF_JSON_NUMBER;
    case json_type_string:
        return WF_JSON_STRING;
    case json_type_array:
        return WF_JSON_ARRAY;
    case json_type_object:
        return WF_JSON_OBJECT;
    default:
        return WF_JSON_NULL;
    }
}

const char *wf_json_type_name(wf_json_type_t type)
{
    static const char *const names[] = {"absent", "null",  "boolean", "number",
                                        "string", "array", "object"};

    return names[type];
}

wf_slice_t wf_json_span(const wf_json_t *v)
{
    const wf_slice_t *span = NULL;

    if (in(v) && !json_object_is_type(in(v), json_type_double)) {
        span = json_object_get_userdata(in(v));
    }
    return span ? *span : (wf_slice_t){NULL, 0};
}

/* ---- reading ---- */

wf_json_t *wf_json_get(const wf_json_t *v, const char *key)
{
    struct json_object *found;

    if (wf_json_type(v) != WF_JSON_OBJECT || !json_object_object_get_ex(in(v), key, &found)) {
        return NULL;
    }
    return out_value(found);
}

int wf_json_has(const wf_json_t *v, const char *key)
{
    return wf_json_get(v, key) != NULL;
}

size_t wf_json_len(const wf_json_t *v)
{
    switch (wf_json_type(v)) {
    case WF_JSON_ARRAY:
        return json_object_array_length(in(v));
    case WF_JSON_OBJECT:
        return (size_t)json_object_object_length(in(v));
    default:
        return 0;
    }
}

wf_json_t *wf_json_at(const wf_json_t *v, size_t index)
{
    if (wf_json_type(v) != WF_JSON_ARRAY || index >= json_object_array_length(in(v))) {
        return NULL;
    }
    return out_value(json_object_array_get_idx(in(v), index));
}

wf_json_iter_t wf_json_iter(const wf_json_t *object)
{
    wf_json_iter_t it = {NULL, NULL, NULL};

    if (wf_json_type(object) == WF_JSON_OBJECT) {
        it.next = json_object_get_object(in(object))->head;
    }
    return it;
}

int wf_json_next(wf_json_iter_t *iter)
{
    struct lh_entry *entry = iter->next;

    if (!entry) {
        return 0;
    }
    iter->key = lh_entry_k(entry);
    iter->value = out_value((struct json_object *)lh_entry_v(entry));
    iter->next = entry->next;
    return 1;
}

const char *wf_json_str(const wf_json_t *v)
{
    return wf_json_type(v) == WF_JSON_STRING ? json_object_get_string(in(v)) : NULL;
}

size_t wf_json_str_len(const wf_json_t *v)
{
    return wf_json_type(v) == WF_JSON_STRING ? (size_t)json_object_get_string_len(in(v)) : 0;
}

const char *wf_json_get_str(const wf_json_t *object, const char *key, const char *otherwise)
{
    const char *text = wf_json_str(wf_json_get(object, key));

    return text ? text : otherwise;
}

int64_t wf_json_get_int(const wf_json_t *object, const char *key, int64_t otherwise)
{
    const wf_json_t *v = wf_json_get(object, key);

    return wf_json_type(v) == WF_JSON_NUMBER ? wf_json_int(v) : otherwise;
}

int wf_json_get_bool(const wf_json_t *object, const char *key, int otherwise)
{
    const wf_json_t *v = wf_json_get(object, key);

    return wf_json_type(v) == WF_JSON_BOOLEAN ? wf_json_bool(v) : otherwise;
}

double wf_json_number(const wf_json_t *v)
{
    return wf_json_type(v) == WF_JSON_NUMBER ? json_object_get_double(in(v)) : 0;
}

int64_t wf_json_int(const wf_json_t *v)
{
    return wf_json_type(v) == WF_JSON_NUMBER ? json_object_get_int64(in(v)) : 0;
}

int wf_json_is_int(const wf_json_t *v)
{
    double d;

    if (wf_json_type(v) != WF_JSON_NUMBER) {
        return 0;
    }
    if (json_object_is_type(in(v), json_type_int)) {
        return 1;
    }
    d = json_object_get_double(in(v));
    return isfinite(d) && d == floor(d);
}

int wf_json_bool(const wf_json_t *v)
{
    return wf_json_type(v) == WF_JSON_BOOLEAN && json_object_get_boolean(in(v));
}

static int objects_equal(const wf_json_t *a, const wf_json_t *b)
{
    if (wf_json_len(a) != wf_json_len(b)) {
        return 0;
    }
    for (wf_json_iter_t i = wf_json_iter(a); wf_json_next(&i);) {
        if (!wf_json_equal(i.value, wf_json_get(b, i.key))) {
            return 0;
        }
    }
    return 1;
}

int wf_json_equal(const wf_json_t *a, const wf_json_t *b)
{
    wf_json_type_t type = wf_json_type(a);
    size_t i;

    if (type != wf_json_type(b)) {
        return 0;
    }
    switch (type) {
    case WF_JSON_BOOLEAN:
        return wf_json_bool(a) == wf_json_bool(b);
    case WF_JSON_NUMBER:
        if (json_object_is_type(in(a), json_type_int) &&
            json_object_is_type(in(b), json_type_int)) {
            return wf_json_int(a) == wf_json_int(b);
        }
        return wf_json_number(a) == wf_json_number(b);
    case WF_JSON_STRING:
        return wf_json_str_len(a) == wf_json_str_len(b) &&
               memcmp(wf_json_str(a), wf_json_str(b), wf_json_str_len(a)) == 0;
    case WF_JSON_ARRAY:
        for (i = 0; i < wf_json_len(a); i++) {
            if (!wf_json_equal(wf_json_at(a, i), wf_json_at(b, i))) {
                return 0;
            }
        }
        return wf_json_len(a) == wf_json_len(b);
    case WF_JSON_OBJECT:
        return objects_equal(a, b);
    default:
        return 1;
    }
}

int wf_json_has_null(const wf_json_t *v)
{
    size_t i;

    switch (wf_json_type(v)) {
    case WF_JSON_NULL:
        return 1;
    case WF_JSON_ARRAY:
        for (i = 0; i < wf_json_len(v); i++) {
            if (wf_json_has_null(wf_json_at(v, i))) {
                return 1;
            }
        }
        return 0;
    case WF_JSON_OBJECT:
        for (wf_json_iter_t it = wf_json_iter(v); wf_json_next(&it);) {
            if (wf_json_has_null(it.value)) {
                return 1;
            }
        }
        return 0;
    default:
        return 0;
    }
}

/* ---- building ---- */

wf_json_t *wf_json_object_make(apr_pool_t *pool)
{
    return wf_json_own(pool, json_object_new_object());
}

wf_json_t *wf_json_array_make(apr_pool_t *pool)
{
    return wf_json_own(pool, json_object_new_array());
}

wf_json_t *wf_json_str_make(apr_pool_t *pool, const char *text)
{
    return wf_json_own(pool, json_object_new_string(text));
}

wf_json_t *wf_json_strn_make(apr_pool_t *pool, const char *text, size_t len)
{
    return wf_json_own(pool, json_object_new_string_len(text, (int)len));
}

wf_json_t *wf_json_int_make(apr_pool_t *pool, int64_t n)
{
    return wf_json_own(pool, json_object_new_int64(n));
}

wf_json_t *wf_json_number_make(apr_pool_t *pool, double n)
{
    /* JSON has no infinity; whole numbers are written without a fraction, as people expect. */
    if (!isfinite(n)) {
        return wf_json_int_make(pool, 0);
    }
    if (n == floor(n) && fabs(n) < 9007199254740992.0) {
        return wf_json_int_make(pool, (int64_t)n);
    }
    return wf_json_own(pool, json_object_new_double(n));
}

wf_json_t *wf_json_bool_make(apr_pool_t *pool, int b)
{
    return wf_json_own(pool, json_object_new_boolean(b));
}

wf_json_t *wf_json_null_make(apr_pool_t *pool)
{
    return NULL_VALUE;
}

wf_json_t *wf_json_copy(apr_pool_t *pool, const wf_json_t *v)
{
    struct json_object *copy = NULL;

    if (v == NULL) {
        return NULL;
    }
    if (in(v) && json_object_deep_copy(in(v), &copy, NULL) != 0) {
        return NULL;
    }
    return wf_json_own(pool, copy);
}

wf_json_t *wf_json_object_copy(apr_pool_t *pool, const wf_json_t *object)
{
    struct json_object *copy = json_object_new_object();

    for (wf_json_iter_t it = wf_json_iter(object); wf_json_next(&it);) {
        json_object_object_add_ex(copy, it.key, json_object_get(in(it.value)),
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
    }
    return wf_json_own(pool, copy);
}

void wf_json_set(wf_json_t *object, const char *key, wf_json_t *value)
{
    if (value && wf_json_type(object) == WF_JSON_OBJECT) {
        json_object_object_add(in(object), key, json_object_get(in(value)));
    }
}

void wf_json_push(wf_json_t *array, wf_json_t *value)
{
    if (value && wf_json_type(array) == WF_JSON_ARRAY) {
        json_object_array_add(in(array), json_object_get(in(value)));
    }
}

void wf_json_remove(wf_json_t *object, const char *key)
{
    if (wf_json_type(object) == WF_JSON_OBJECT) {
        json_object_object_del(in(object), key);
    }
}

void wf_json_set_str(wf_json_t *object, const char *key, const char *text)
{
    if (text) {
        json_object_object_add(in(object), key, json_object_new_string(text));
    }
}

void wf_json_set_int(wf_json_t *object, const char *key, int64_t n)
{
    json_object_object_add(in(object), key, json_object_new_int64(n));
}

void wf_json_set_bool(wf_json_t *object, const char *key, int b)
{
    json_object_object_add(in(object), key, json_object_new_boolean(b));
}

const char *wf_json_text_pretty(apr_pool_t *pool, const wf_json_t *v)
{
    int style = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE;

    return apr_pstrdup(pool, json_object_to_json_string_ext(in(v), style));
}
