#include "store/wf_store_int.h"

#include <string.h>

#define EMAIL_MAX 254
#define PHONE_MIN 4
#define PHONE_MAX 31

/* ---- forms ------------------------------------------------------------------------------ */

int wf_form_is_meta_id(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len >= 5 && len <= 20 && text[len] == '\0';
}

int wf_form_is_phone(const char *text)
{
    const char *digits = *text == '+' ? text + 1 : text;
    size_t len = strspn(digits, "0123456789 ()-");

    return digits[len] == '\0' && *digits >= '0' && *digits <= '9' && len >= PHONE_MIN &&
           len <= PHONE_MAX;
}

/* Printable ASCII without spaces. */
static int is_compact(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;

    while (*c > ' ' && *c < 0x7f) {
        c++;
    }
    return *c == '\0';
}

int wf_form_is_email(const char *text)
{
    const char *at = strchr(text, '@');

    return is_compact(text) && at && at > text && at[1] && !strchr(at + 1, '@') &&
           strlen(text) <= EMAIL_MAX;
}

int wf_form_is_url(const char *text)
{
    return wf_url_fault(text) == NULL;
}

int wf_form_is_time(const char *text)
{
    apr_time_t t;

    return wf_time_parse(&t, text);
}

int wf_form_is_event_pattern(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_.-");

    if (text[len] == '*' && (len == 0 || text[len - 1] == '.')) {
        len++;
    }
    return len >= 1 && len <= 64 && text[len] == '\0';
}

int wf_form_is_word(const char *text, const char *words)
{
    size_t len = strlen(text);

    while (*words) {
        size_t n = strcspn(words, " ");
        if (n == len && memcmp(words, text, n) == 0) {
            return 1;
        }
        words += n + (words[n] == ' ');
    }
    return 0;
}

/* ---- checking --------------------------------------------------------------------------- */

static int is_plain_text(const wf_json_t *value, int64_t min, int64_t max)
{
    const unsigned char *c = (const unsigned char *)wf_json_str(value);
    size_t len = wf_json_str_len(value), n;

    if (!c || !wf_utf8_is((const char *)c, len)) {
        return 0;
    }
    n = wf_utf8_count((const char *)c, len);
    while (*c >= ' ' && *c != 0x7f) {
        c++;
    }
    return *c == '\0' && (int64_t)n >= min && (int64_t)n <= max;
}

static int is_list(const wf_field_t *field, const wf_json_t *value)
{
    size_t n = wf_json_len(value), i;

    if (wf_json_type(value) != WF_JSON_ARRAY || (int64_t)n < field->min || (int64_t)n > field->max) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        const wf_json_t *item = wf_json_at(value, i);
        const char *text = wf_json_str(item);
        if (!text || strlen(text) != wf_json_str_len(item) || !field->is(text)) {
            return 0;
        }
    }
    return 1;
}

static int is_good(apr_pool_t *pool, const wf_field_t *field, const wf_json_t *value)
{
    /* Text with a NUL inside is longer than C sees: refused for every kind. */
    const char *text = wf_json_str(value);
    size_t len = wf_json_str_len(value);

    if (text && strlen(text) != len) {
        return 0;
    }
    switch (field->kind) {
    case WF_FIELD_TEXT:
        return is_plain_text(value, field->min, field->max);
    case WF_FIELD_FORM:
        return text && field->is(text);
    case WF_FIELD_WORD:
        return text && wf_form_is_word(text, field->expected);
    case WF_FIELD_INT:
        return wf_json_is_int(value) && wf_json_int(value) >= field->min &&
               wf_json_int(value) <= field->max;
    case WF_FIELD_BOOL:
        return wf_json_type(value) == WF_JSON_BOOLEAN;
    case WF_FIELD_OBJECT:
        if (wf_json_type(value) != WF_JSON_OBJECT) {
            return 0;
        }
        wf_json_text(pool, value, &len);
        return (int64_t)len <= field->max;
    case WF_FIELD_LIST:
        return is_list(field, value);
    case WF_FIELD_SECRET:
        return text && (int64_t)len >= field->min && (int64_t)len <= field->max;
    }
    return 0;
}

static void add_expected(wf_ctx_t *ctx, const char *at, const wf_field_t *field)
{
    const char *pointer = wf_json_pointer_add(ctx->pool, at, field->name);

    switch (field->kind) {
    case WF_FIELD_TEXT:
        wf_fault_add(ctx, pointer, "text of %d to %d characters expected", (int)field->min,
                     (int)field->max);
        break;
    case WF_FIELD_FORM:
        wf_fault_add(ctx, pointer, "%s expected", field->expected);
        break;
    case WF_FIELD_WORD:
        wf_fault_add(ctx, pointer, "one of %s expected", field->expected);
        break;
    case WF_FIELD_INT:
        wf_fault_add(ctx, pointer,
                     "a whole number from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT " expected",
                     field->min, field->max);
        break;
    case WF_FIELD_BOOL:
        wf_fault_add(ctx, pointer, "true or false expected");
        break;
    case WF_FIELD_OBJECT:
        wf_fault_add(ctx, pointer, "an object of at most %d bytes expected", (int)field->max);
        break;
    case WF_FIELD_LIST:
        wf_fault_add(ctx, pointer, "%d to %d of %s expected", (int)field->min, (int)field->max,
                     field->expected);
        break;
    case WF_FIELD_SECRET:
        wf_fault_add(ctx, pointer, "text of %d to %d bytes expected", (int)field->min,
                     (int)field->max);
        break;
    }
}

static const wf_field_t *find_field(const wf_field_t *fields, size_t count, const char *name)
{
    size_t i;

    for (i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

/* The name is the caller's: only what looks like a member's name is repeated. */
static void add_unknown(wf_ctx_t *ctx, const char *at, const char *name)
{
    size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");

    if (len > 0 && len <= 64 && name[len] == '\0') {
        wf_fault_add(ctx, wf_json_pointer_add(ctx->pool, at, name), "not known");
    } else {
        wf_fault_add(ctx, at, "a member is not known");
    }
}

static void check_member(wf_ctx_t *ctx, const char *at, const wf_field_t *field,
                         const wf_json_t *value, int making)
{
    if (!making && (field->flags & WF_FIELD_FIXED)) {
        wf_fault_add(ctx, wf_json_pointer_add(ctx->pool, at, field->name), "cannot be changed");
    } else if (wf_json_type(value) == WF_JSON_NULL) {
        if (field->flags & (WF_FIELD_NEEDED | WF_FIELD_NOT_NULL)) {
            add_expected(ctx, at, field);
        }
    } else if (!is_good(ctx->pool, field, value)) {
        add_expected(ctx, at, field);
    }
}

void wf_fields_faults(wf_ctx_t *ctx, const char *at, const wf_field_t *fields, size_t count,
                      const wf_json_t *object, int making)
{
    size_t f;

    if (wf_json_type(object) != WF_JSON_OBJECT) {
        wf_fault_add(ctx, at, "an object expected");
        return;
    }
    for (wf_json_iter_t i = wf_json_iter(object); wf_json_next(&i);) {
        const wf_field_t *field = find_field(fields, count, i.key);
        if (field) {
            check_member(ctx, at, field, i.value, making);
        } else {
            add_unknown(ctx, at, i.key);
        }
    }
    for (f = 0; making && f < count; f++) {
        if ((fields[f].flags & WF_FIELD_NEEDED) && !wf_json_has(object, fields[f].name)) {
            add_expected(ctx, at, &fields[f]);
        }
    }
}

wf_status_t wf_fields_check(wf_ctx_t *ctx, const wf_field_t *fields, size_t count,
                            const wf_json_t *object, int making)
{
    if (wf_json_type(object) != WF_JSON_OBJECT) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0277) "an object expected");
    }
    wf_fields_faults(ctx, "", fields, count, object, making);
    return wf_has_faults(ctx)
               ? wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0278) "%s", wf_faults_text(ctx))
               : WF_OK;
}

/* ---- merging ---------------------------------------------------------------------------- */

wf_json_t *wf_fields_merge(apr_pool_t *pool, const wf_json_t *target, const wf_json_t *patch)
{
    wf_json_t *out;

    if (wf_json_type(patch) != WF_JSON_OBJECT) {
        return wf_json_copy(pool, patch);
    }
    out = wf_json_object_make(pool);
    for (wf_json_iter_t i = wf_json_iter(target); wf_json_next(&i);) {
        wf_json_set(out, i.key, i.value);
    }
    for (wf_json_iter_t i = wf_json_iter(patch); wf_json_next(&i);) {
        if (wf_json_type(i.value) == WF_JSON_NULL) {
            wf_json_remove(out, i.key);
        } else {
            wf_json_set(out, i.key, wf_fields_merge(pool, wf_json_get(out, i.key), i.value));
        }
    }
    return out;
}

wf_json_t *wf_fields_filled(apr_pool_t *pool, const wf_field_t *fields, size_t count,
                            const wf_json_t *object, const wf_json_t *defaults)
{
    wf_json_t *out = wf_json_object_copy(pool, object);
    size_t i;

    for (i = 0; i < count; i++) {
        const wf_field_t *field = &fields[i];
        wf_json_t *value = wf_json_get(defaults, field->name);

        if (!(field->flags & WF_FIELD_FIXED) && field->kind != WF_FIELD_SECRET &&
            !wf_json_has(object, field->name)) {
            wf_json_set(out, field->name, value ? value : wf_json_null_make(pool));
        }
    }
    return out;
}

wf_status_t wf_fields_row(wf_ctx_t *ctx, wf_json_t **row, const wf_field_t *fields, size_t count,
                          const wf_json_t *current, const wf_json_t *change)
{
    wf_json_t *out = wf_json_object_make(ctx->pool);

    *row = NULL;
    for (wf_json_iter_t i = wf_json_iter(change); wf_json_next(&i);) {
        const wf_field_t *field = find_field(fields, count, i.key);
        wf_json_t *value = i.value;
        if (!field || field->kind == WF_FIELD_SECRET) {
            continue;
        }
        if (field->kind == WF_FIELD_OBJECT) {
            value = wf_fields_merge(ctx->pool, wf_json_get(current, i.key), value);
            if (!is_good(ctx->pool, field, value)) {
                return wf_fail_public(
                    ctx, WF_EINVALID,
                    WFLOGNO(0279) "%s: together with what is there, over %d bytes", field->name,
                    (int)field->max);
            }
        }
        wf_json_set(out, i.key, value);
    }
    *row = out;
    return WF_OK;
}

wf_status_t wf_fields_object(wf_ctx_t *ctx, wf_json_t **out, const char *name, const char *text)
{
    wf_status_t st;

    *out = NULL;
    if (!text) {
        *out = wf_json_object_make(ctx->pool);
        return WF_OK;
    }
    if ((st = wf_json_parse(ctx, out, text, strlen(text), 0)) != WF_OK) {
        return st;
    }
    if (wf_json_type(*out) != WF_JSON_OBJECT) {
        *out = NULL;
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0280) "%s: an object expected", name);
    }
    return WF_OK;
}
