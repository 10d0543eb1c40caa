/* JavaScript's values and coercions, as far as json-logic-js lets a rule see them. */
#include "flow/wf_engine_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 17 /* that tell one double from every other */
#define SEGMENT_MAX 256

/* ---- making ---- */

wf_value_t wf_value_number(double n)
{
    wf_value_t v = {WF_VALUE_NUMBER, n, {NULL, 0}, NULL};

    return v;
}

wf_value_t wf_value_boolean(int b)
{
    wf_value_t v = {WF_VALUE_BOOLEAN, b != 0, {NULL, 0}, NULL};

    return v;
}

wf_value_t wf_value_text(const char *text, size_t len)
{
    wf_value_t v = {WF_VALUE_STRING, 0, {text, len}, NULL};

    return v;
}

wf_value_t wf_value_of(const wf_json_t *json)
{
    wf_value_t v = {WF_VALUE_UNDEFINED, 0, {NULL, 0}, NULL};

    switch (wf_json_type(json)) {
    case WF_JSON_BOOLEAN:
        return wf_value_boolean(wf_json_bool(json));
    case WF_JSON_NUMBER:
        return wf_value_number(wf_json_number(json));
    case WF_JSON_STRING:
        return wf_value_text(wf_json_str(json), wf_json_str_len(json));
    case WF_JSON_ARRAY:
    case WF_JSON_OBJECT:
        v.kind = WF_VALUE_TREE;
        v.tree = json;
        return v;
    case WF_JSON_NULL:
        v.kind = WF_VALUE_NULL;
        return v;
    default:
        return v;
    }
}

wf_json_t *wf_value_json(apr_pool_t *pool, wf_value_t v)
{
    switch (v.kind) {
    case WF_VALUE_BOOLEAN:
        return wf_json_bool_make(pool, v.number != 0);
    case WF_VALUE_NUMBER:
        return isfinite(v.number) ? wf_json_number_make(pool, v.number) : wf_json_null_make(pool);
    case WF_VALUE_STRING:
        return wf_json_strn_make(pool, v.text.data, v.text.len);
    case WF_VALUE_TREE:
        /* Shared, and nobody changes it. */
        return (wf_json_t *)(uintptr_t)v.tree;
    default:
        return wf_json_null_make(pool);
    }
}

int wf_value_is_true(wf_value_t v)
{
    switch (v.kind) {
    case WF_VALUE_BOOLEAN:
    case WF_VALUE_NUMBER:
        return v.number != 0 && !isnan(v.number);
    case WF_VALUE_STRING:
        return v.text.len > 0;
    case WF_VALUE_TREE:
        return wf_json_type(v.tree) != WF_JSON_ARRAY || wf_json_len(v.tree) > 0;
    default:
        return 0;
    }
}

/* ---- text to number ---- */

static int is_digit(const char *c, const char *end)
{
    return c < end && *c >= '0' && *c <= '9';
}

static int is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *skip_digits(const char *c, const char *end)
{
    while (is_digit(c, end)) {
        c++;
    }
    return c;
}

/* The end of the longest decimal literal at `c`; `c` itself if there is none. */
static const char *decimal_end(const char *c, const char *end)
{
    const char *at = c, *more;
    int digits;

    at += at < end && (*at == '+' || *at == '-');
    if ((size_t)(end - at) >= 8 && memcmp(at, "Infinity", 8) == 0) {
        return at + 8;
    }
    more = skip_digits(at, end);
    digits = more > at;
    at = more;
    if (at < end && *at == '.' && (digits || is_digit(at + 1, end))) {
        at = skip_digits(at + 1, end);
        digits = 1;
    }
    if (!digits) {
        return c;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        more = at + 1;
        more += more < end && (*more == '+' || *more == '-');
        at = is_digit(more, end) ? skip_digits(more, end) : at;
    }
    return at;
}

static double decimal(apr_pool_t *pool, const char *c, const char *end)
{
    char small[64];
    size_t len = (size_t)(end - c);

    if (len < sizeof(small)) {
        memcpy(small, c, len);
        small[len] = '\0';
        return strtod(small, NULL); /* takes Infinity too */
    }
    return strtod(apr_pstrmemdup(pool, c, len), NULL);
}

/* 0x1F, 0o17, 0b101 */
static int with_radix(double *out, const char *c, const char *end)
{
    int radix, digit;

    if (end - c < 3 || c[0] != '0') {
        return 0;
    }
    radix = (c[1] | 32) == 'x' ? 16 : (c[1] | 32) == 'o' ? 8 : (c[1] | 32) == 'b' ? 2 : 0;
    if (radix == 0) {
        return 0;
    }
    *out = 0;
    for (c += 2; c < end; c++) {
        digit = is_digit(c, end)                       ? *c - '0'
                : (*c | 32) >= 'a' && (*c | 32) <= 'f' ? (*c | 32) - 'a' + 10
                                                       : radix;
        if (digit >= radix) {
            return 0;
        }
        *out = *out * radix + digit;
    }
    return 1;
}

static double text_to_number(apr_pool_t *pool, wf_slice_t text)
{
    const char *c = text.data, *end = text.data + text.len;
    double n;

    while (c < end && is_space(*c)) {
        c++;
    }
    while (end > c && is_space(end[-1])) {
        end--;
    }
    if (c == end) {
        return 0;
    }
    if (with_radix(&n, c, end)) {
        return n;
    }
    return decimal_end(c, end) == end ? decimal(pool, c, end) : NAN;
}

double wf_value_to_number(apr_pool_t *pool, wf_value_t v)
{
    switch (v.kind) {
    case WF_VALUE_NULL:
        return 0;
    case WF_VALUE_BOOLEAN:
    case WF_VALUE_NUMBER:
        return v.number;
    case WF_VALUE_STRING:
        return text_to_number(pool, v.text);
    case WF_VALUE_TREE:
        return text_to_number(pool, wf_value_to_text(pool, v));
    default:
        return NAN;
    }
}

double wf_value_to_float(apr_pool_t *pool, wf_value_t v)
{
    wf_slice_t text;
    const char *c, *end;

    if (v.kind == WF_VALUE_NUMBER) {
        return v.number;
    }
    text = wf_value_to_text(pool, v);
    end = text.data + text.len;
    for (c = text.data; c < end && is_space(*c);) {
        c++;
    }
    return decimal_end(c, end) > c ? decimal(pool, c, decimal_end(c, end)) : NAN;
}

/* ---- value to text ---- */

/* ECMAScript's Number::toString: the shortest digits that mean this double. */
static void add_number(wf_buf_t *out, double n)
{
    char digits[32], *e;
    int k, point, i;

    if (isnan(n) || isinf(n)) {
        wf_buf_puts(out, isnan(n) ? "NaN" : n > 0 ? "Infinity" : "-Infinity");
        return;
    }
    if (n == floor(n) && fabs(n) < 1e15) {
        wf_buf_printf(out, "%.0f", n == 0 ? 0.0 : n);
        return;
    }
    for (k = 1; k < DIGITS_MAX; k++) {
        snprintf(digits, sizeof(digits), "%.*e", k - 1, n);
        if (strtod(digits, NULL) == n) {
            break;
        }
    }
    snprintf(digits, sizeof(digits), "%.*e", k - 1, fabs(n));
    e = strchr(digits, 'e');
    point = (int)strtol(e + 1, NULL, 10) + 1; /* places before the decimal point */
    *e = '\0';
    if (k > 1) {
        memmove(digits + 1, digits + 2, (size_t)k); /* drop the point, keep the NUL */
    }
    if (n < 0) {
        wf_buf_putc(out, '-');
    }
    if (point > 21 || point < -5) {
        wf_buf_add(out, digits, 1);
        wf_buf_printf(out, "%s%se%c%d", k > 1 ? "." : "", digits + 1, point > 0 ? '+' : '-',
                      abs(point - 1));
    } else if (point <= 0) {
        wf_buf_puts(out, "0.");
        for (i = point; i < 0; i++) {
            wf_buf_putc(out, '0');
        }
        wf_buf_puts(out, digits);
    } else {
        for (i = 0; i < point || i < k; i++) {
            wf_buf_puts(out, i == point ? "." : "");
            wf_buf_putc(out, i < k ? digits[i] : '0');
        }
    }
}

static void add_text(wf_buf_t *out, wf_value_t v)
{
    size_t i;

    switch (v.kind) {
    case WF_VALUE_UNDEFINED:
        wf_buf_puts(out, "undefined");
        break;
    case WF_VALUE_NULL:
        wf_buf_puts(out, "null");
        break;
    case WF_VALUE_BOOLEAN:
        wf_buf_puts(out, v.number != 0 ? "true" : "false");
        break;
    case WF_VALUE_NUMBER:
        add_number(out, v.number);
        break;
    case WF_VALUE_STRING:
        wf_buf_add(out, v.text.data, v.text.len);
        break;
    case WF_VALUE_TREE:
        if (wf_json_type(v.tree) == WF_JSON_OBJECT) {
            wf_buf_puts(out, "[object Object]");
            break;
        }
        for (i = 0; i < wf_json_len(v.tree) && !out->failed; i++) {
            wf_value_t element = wf_value_of(wf_json_at(v.tree, i));
            wf_buf_puts(out, i ? "," : "");
            if (element.kind != WF_VALUE_NULL) {
                add_text(out, element);
            }
        }
        break;
    }
}

wf_slice_t wf_value_to_text(apr_pool_t *pool, wf_value_t v)
{
    wf_slice_t text = v.text;
    wf_buf_t out;

    if (v.kind != WF_VALUE_STRING) {
        wf_buf_init(&out, pool, 32, WF_TEXT_MAX);
        add_text(&out, v);
        text.data = out.data;
        text.len = out.len;
    }
    return text;
}

/* ---- comparing ---- */

static int texts_equal(wf_slice_t a, wf_slice_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

int wf_value_same(wf_value_t a, wf_value_t b)
{
    if (a.kind != b.kind) {
        return 0;
    }
    switch (a.kind) {
    case WF_VALUE_BOOLEAN:
    case WF_VALUE_NUMBER:
        return a.number == b.number;
    case WF_VALUE_STRING:
        return texts_equal(a.text, b.text);
    case WF_VALUE_TREE:
        return a.tree == b.tree; /* JavaScript compares which one it is, not what is in it */
    default:
        return 1;
    }
}

static int is_nothing(wf_value_t v)
{
    return v.kind == WF_VALUE_NULL || v.kind == WF_VALUE_UNDEFINED;
}

int wf_value_equal(apr_pool_t *pool, wf_value_t a, wf_value_t b)
{
    wf_slice_t text;

    if (is_nothing(a) || is_nothing(b)) {
        return is_nothing(a) && is_nothing(b);
    }
    if (a.kind == b.kind) {
        return wf_value_same(a, b);
    }
    if (a.kind == WF_VALUE_TREE || b.kind == WF_VALUE_TREE) {
        text = wf_value_to_text(pool, a.kind == WF_VALUE_TREE ? a : b);
        return wf_value_equal(pool, wf_value_text(text.data, text.len),
                              a.kind == WF_VALUE_TREE ? b : a);
    }
    return wf_value_to_number(pool, a) == wf_value_to_number(pool, b);
}

int wf_value_order(apr_pool_t *pool, wf_value_t a, wf_value_t b)
{
    int a_is_text = a.kind == WF_VALUE_STRING || a.kind == WF_VALUE_TREE;
    int b_is_text = b.kind == WF_VALUE_STRING || b.kind == WF_VALUE_TREE;
    double x, y;

    if (a_is_text && b_is_text) {
        wf_slice_t s = wf_value_to_text(pool, a), t = wf_value_to_text(pool, b);
        size_t shorter = s.len < t.len ? s.len : t.len;
        int order = shorter ? memcmp(s.data, t.data, shorter) : 0;
        order = order ? order : (s.len > t.len) - (s.len < t.len);
        return (order > 0) - (order < 0);
    }
    x = wf_value_to_number(pool, a);
    y = wf_value_to_number(pool, b);
    return isnan(x) || isnan(y) ? 2 : (x > y) - (x < y);
}

/* ---- paths ---- */

/* The byte at which character number `chars` begins. */
static size_t byte_of(wf_slice_t text, size_t chars)
{
    size_t i = 0;

    while (i < text.len && chars > 0) {
        for (i++; i < text.len && ((unsigned char)text.data[i] & 0xC0) == 0x80;) {
            i++;
        }
        chars--;
    }
    return i;
}

wf_slice_t wf_value_chars(wf_slice_t text, size_t start, size_t count)
{
    size_t begin = byte_of(text, start);
    wf_slice_t rest = {text.data + begin, text.len - begin};

    rest.len = byte_of(rest, count);
    return rest;
}

/* A text has a length and characters, like an array. */
static wf_value_t member_of_text(wf_slice_t text, const char *key)
{
    wf_slice_t one;
    int64_t index;

    if (strcmp(key, "length") == 0) {
        return wf_value_number((double)wf_utf8_count(text.data, text.len));
    }
    if (!wf_parse_int(&index, key, 0, INT32_MAX)) {
        return wf_value_of(NULL);
    }
    one = wf_value_chars(text, (size_t)index, 1);
    return one.len ? wf_value_text(one.data, one.len) : wf_value_of(NULL);
}

static wf_value_t member(wf_value_t v, const char *name, size_t len)
{
    char key[SEGMENT_MAX];
    int64_t index;

    if (len >= sizeof(key) || memchr(name, '\0', len)) {
        return wf_value_of(NULL);
    }
    memcpy(key, name, len);
    key[len] = '\0';
    if (v.kind == WF_VALUE_STRING) {
        return member_of_text(v.text, key);
    }
    if (v.kind != WF_VALUE_TREE) {
        return wf_value_of(NULL);
    }
    if (wf_json_type(v.tree) == WF_JSON_OBJECT) {
        return wf_value_of(wf_json_get(v.tree, key));
    }
    if (strcmp(key, "length") == 0) {
        return wf_value_number((double)wf_json_len(v.tree));
    }
    if (!wf_parse_int(&index, key, 0, INT32_MAX)) {
        return wf_value_of(NULL);
    }
    return wf_value_of(wf_json_at(v.tree, (size_t)index));
}

wf_value_t wf_value_walk(wf_value_t v, const char *path, size_t len)
{
    const char *end = path + len, *dot;

    while (len > 0 && v.kind != WF_VALUE_UNDEFINED) {
        dot = memchr(path, '.', (size_t)(end - path));
        v = member(v, path, (size_t)((dot ? dot : end) - path));
        if (!dot) {
            break;
        }
        path = dot + 1;
    }
    return v;
}
