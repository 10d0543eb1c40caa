/* RFC 8259 text to json-c's objects. json-c's own tokener sets up a locale, a printbuf and 64
 * levels of state for every text, and takes what JSON does not allow; with several small texts in
 * every exchange that was a third of all the work. */
#include "json/wf_json_int.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_TEXT 128

/* Where the members go when a text is split. */
typedef struct {
    wf_json_part_t *parts;
    size_t count;
    size_t next; /* after the one found last: texts mostly have our order */
    int depth;   /* levels left inside the outermost object */
} split_t;

typedef struct {
    apr_pool_t *pool; /* for texts with escapes and for keys */
    const char *c;    /* next byte */
    const char *end;
    int depth;         /* levels left */
    const char *fault; /* what is wrong at `c`; NULL: nothing so far */
    split_t *split; /* not NULL: check all, build nothing (every value is NULL), note the members */
    int keep_spans;    /* each value remembers its text */
} parser_t;

static struct json_object *parse_value(parser_t *p);

static void fail(parser_t *p, const char *fault)
{
    p->fault = p->fault ? p->fault : fault;
}

static void skip_space(parser_t *p)
{
    while (p->c < p->end && (*p->c == ' ' || *p->c == '\n' || *p->c == '\r' || *p->c == '\t')) {
        p->c++;
    }
}

static int next_is(parser_t *p, char c)
{
    skip_space(p);
    return p->c < p->end && *p->c == c;
}

/* ---- text ---- */

/* Four hex digits at `c`, or -1. */
static int hex4(const char *c, const char *end)
{
    unsigned char bytes[2];

    return end - c >= 4 && wf_hex_decode(bytes, c, 2) ? bytes[0] << 8 | bytes[1] : -1;
}

static char *put_utf8(char *out, unsigned u)
{
    if (u < 0x80) {
        *out++ = (char)u;
    } else if (u < 0x800) {
        *out++ = (char)(0xC0 | u >> 6);
        *out++ = (char)(0x80 | (u & 0x3F));
    } else if (u < 0x10000) {
        *out++ = (char)(0xE0 | u >> 12);
        *out++ = (char)(0x80 | (u >> 6 & 0x3F));
        *out++ = (char)(0x80 | (u & 0x3F));
    } else {
        *out++ = (char)(0xF0 | u >> 18);
        *out++ = (char)(0x80 | (u >> 12 & 0x3F));
        *out++ = (char)(0x80 | (u >> 6 & 0x3F));
        *out++ = (char)(0x80 | (u & 0x3F));
    }
    return out;
}

/* The escape after `\` at p->c; a surrogate without its other half becomes U+FFFD. */
static char *put_escape(parser_t *p, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *found = p->c < p->end && *p->c ? strchr(from, *p->c) : NULL;
    int u, low;

    if (found) {
        *out = to[found - from];
        p->c++;
        return out + 1;
    }
    u = p->c < p->end && *p->c == 'u' ? hex4(p->c + 1, p->end) : -1;
    if (u < 0) {
        fail(p, "invalid escape");
        return out;
    }
    p->c += 5;
    if (u < 0xD800 || u > 0xDFFF) {
        return put_utf8(out, (unsigned)u);
    }
    low = u < 0xDC00 && p->end - p->c >= 6 && p->c[0] == '\\' && p->c[1] == 'u'
              ? hex4(p->c + 2, p->end)
              : -1;
    if (low < 0xDC00 || low > 0xDFFF) {
        return put_utf8(out, 0xFFFD);
    }
    p->c += 6;
    return put_utf8(out, 0x10000 + ((unsigned)(u - 0xD800) << 10) + (unsigned)(low - 0xDC00));
}

/* The rest of a text whose first escape stands at p->c and which began at `begin`. An escape is
 * never shorter than what it means, so the end of the text bounds the room. */
static wf_slice_t unescaped(parser_t *p, const char *begin)
{
    wf_slice_t text = {NULL, 0};
    const char *quote = p->c;
    char *out;

    while (quote < p->end && *quote != '"') {
        quote += *quote == '\\' ? 2 : 1;
    }
    if (quote >= p->end) {
        fail(p, "text without closing quote");
        return text;
    }
    text.data = out = apr_palloc(p->pool, (size_t)(quote - begin) + 1);
    memcpy(out, begin, (size_t)(p->c - begin));
    out += p->c - begin;
    while (!p->fault && p->c < quote) {
        if (*p->c == '\\') {
            p->c++;
            out = put_escape(p, out);
        } else if ((unsigned char)*p->c < 0x20) {
            fail(p, "control character in a text");
        } else {
            *out++ = *p->c++;
        }
    }
    *out = '\0';
    text.len = (size_t)(out - text.data);
    p->c++;
    return text;
}

/* After the opening quote. Without escapes it points into the input. */
static wf_slice_t parse_text(parser_t *p)
{
    const char *begin = ++p->c;
    wf_slice_t text = {begin, 0};

    p->c = wf_json_plain_end(p->c, p->end);
    if (p->c < p->end && *p->c == '\\') {
        return unescaped(p, begin);
    }
    if (p->c >= p->end || *p->c != '"') {
        fail(p, p->c < p->end ? "control character in a text" : "text without closing quote");
        return text;
    }
    text.len = (size_t)(p->c++ - begin);
    return text;
}

/* ---- numbers and words ---- */

static const char *digits_end(const char *c, const char *end)
{
    while (c < end && *c >= '0' && *c <= '9') {
        c++;
    }
    return c;
}

/* The end of the number at `c`, or NULL; *is_whole: it has neither fraction nor exponent. */
static const char *number_end(const char *c, const char *end, int *is_whole)
{
    const char *digits = c + (*c == '-'), *more;

    c = digits_end(digits, end);
    if (c == digits || (*digits == '0' && c > digits + 1)) {
        return NULL;
    }
    *is_whole = 1;
    if (c < end && *c == '.') {
        more = digits_end(c + 1, end);
        if (more == c + 1) {
            return NULL;
        }
        c = more;
        *is_whole = 0;
    }
    if (c < end && (*c == 'e' || *c == 'E')) {
        c++;
        c += c < end && (*c == '+' || *c == '-');
        more = digits_end(c, end);
        if (more == c) {
            return NULL;
        }
        c = more;
        *is_whole = 0;
    }
    return c;
}

/* Whole numbers of 64 bits exactly; a fraction keeps its digits for when it is written again. */
static struct json_object *parse_number(parser_t *p)
{
    char small[SHORT_TEXT], *text = small, *stop;
    const char *end;
    int is_whole = 0;
    size_t len;

    end = number_end(p->c, p->end, &is_whole);
    if (!end) {
        fail(p, "malformed number");
        return NULL;
    }
    len = (size_t)(end - p->c);
    if (p->split) {
        p->c = end;
        return NULL;
    }
    if (len < sizeof(small)) {
        memcpy(small, p->c, len);
        small[len] = '\0';
    } else {
        text = apr_pstrmemdup(p->pool, p->c, len);
    }
    p->c = end;
    if (is_whole) {
        long long n;
        errno = 0;
        n = strtoll(text, &stop, 10);
        if (errno == 0) {
            return json_object_new_int64(n);
        }
        errno = 0;
        if (text[0] != '-') {
            unsigned long long u = strtoull(text, &stop, 10);
            if (errno == 0) {
                return json_object_new_uint64(u);
            }
        }
    }
    return json_object_new_double_s(strtod(text, &stop), text);
}

static int parse_word(parser_t *p, const char *word)
{
    size_t len = strlen(word);

    if ((size_t)(p->end - p->c) < len || memcmp(p->c, word, len) != 0) {
        fail(p, "unexpected character");
        return 0;
    }
    p->c += len;
    return 1;
}

/* ---- containers ---- */

static struct json_object *parse_array(parser_t *p)
{
    struct json_object *array = p->split ? NULL : json_object_new_array();

    p->c++;
    if (next_is(p, ']')) {
        p->c++;
        return array;
    }
    while (!p->fault) {
        struct json_object *element = parse_value(p);
        if (!p->fault && array) {
            json_object_array_add(array, element);
        }
        if (!p->fault && next_is(p, ',')) {
            p->c++;
        } else if (!p->fault && next_is(p, ']')) {
            p->c++;
            break;
        } else {
            fail(p, p->c < p->end ? "expected , or ]" : "array without end");
        }
    }
    return array;
}

static void note_part(parser_t *p, wf_slice_t key, wf_slice_t text)
{
    split_t *split = p->split;
    size_t i, n;

    for (n = 0; n < split->count; n++) {
        i = split->next + n < split->count ? split->next + n : split->next + n - split->count;
        if (strlen(split->parts[i].name) == key.len &&
            memcmp(split->parts[i].name, key.data, key.len) == 0) {
            split->parts[i].text = text;
            split->next = i + 1;
            return;
        }
    }
}

/* The value at p->c becomes a member; a later one of the same name takes the place of the earlier.
 * The name lives in the pool: cheaper than a copy of json-c's, and it outlives the object. */
static void parse_member(parser_t *p, struct json_object *object, wf_slice_t key)
{
    struct json_object *value;
    wf_slice_t text = {NULL, 0};

    skip_space(p);
    text.data = p->c;
    value = parse_value(p);
    if (p->fault) {
        return;
    }
    if (object) {
        json_object_object_add_ex(object, apr_pstrmemdup(p->pool, key.data, key.len), value,
                                  JSON_C_OBJECT_ADD_CONSTANT_KEY);
    } else if (p->depth == p->split->depth) {
        text.len = (size_t)(p->c - text.data);
        note_part(p, key, text);
    }
}

static struct json_object *parse_object(parser_t *p)
{
    struct json_object *object = p->split ? NULL : json_object_new_object();

    p->c++;
    if (next_is(p, '}')) {
        p->c++;
        return object;
    }
    while (!p->fault) {
        wf_slice_t key = {NULL, 0};
        if (next_is(p, '"')) {
            key = parse_text(p);
        } else {
            fail(p, p->c < p->end ? "expected a member name in quotes" : "object without end");
        }
        if (!p->fault && !next_is(p, ':')) {
            fail(p, "expected :");
        }
        if (p->fault) {
            break;
        }
        p->c++;
        parse_member(p, object, key);
        if (!p->fault && next_is(p, ',')) {
            p->c++;
        } else if (!p->fault && next_is(p, '}')) {
            p->c++;
            break;
        } else {
            fail(p, p->c < p->end ? "expected , or }" : "object without end");
        }
    }
    return object;
}

/* json-c keeps a fraction's digits where the span would go: wf_json_text gives those back as they were. */
static void keep_span(const parser_t *p, struct json_object *value, const char *begin)
{
    wf_slice_t *span;

    if (value && !json_object_is_type(value, json_type_double)) {
        span = apr_palloc(p->pool, sizeof(*span));
        *span = (wf_slice_t){begin, (size_t)(p->c - begin)};
        json_object_set_userdata(value, span, NULL);
    }
}

/* NULL is JSON null, or nothing if p->fault is set: a value that broke off is freed here. */
static struct json_object *parse_value(parser_t *p)
{
    struct json_object *value = NULL;
    const char *begin;
    wf_slice_t text;

    skip_space(p);
    begin = p->c;
    if (p->c >= p->end) {
        fail(p, "unexpected end");
        return NULL;
    }
    if (p->depth <= 0) {
        fail(p, "nested too deeply");
        return NULL;
    }
    p->depth--;
    switch (*p->c) {
    case '{':
        value = parse_object(p);
        break;
    case '[':
        value = parse_array(p);
        break;
    case '"':
        text = parse_text(p);
        value = p->fault || p->split ? NULL : json_object_new_string_len(text.data, (int)text.len);
        break;
    case 't':
        value = parse_word(p, "true") && !p->split ? json_object_new_boolean(1) : NULL;
        break;
    case 'f':
        value = parse_word(p, "false") && !p->split ? json_object_new_boolean(0) : NULL;
        break;
    case 'n':
        (void)parse_word(p, "null");
        break;
    default:
        if (*p->c == '-' || (*p->c >= '0' && *p->c <= '9')) {
            value = parse_number(p);
        } else {
            fail(p, "unexpected character");
        }
        break;
    }
    p->depth++;
    if (p->fault) {
        json_object_put(value);
        value = NULL;
    } else if (p->keep_spans) {
        keep_span(p, value, begin);
    }
    return value;
}

/* ---- a whole text ---- */

static void line_and_column(const char *text, const char *at, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (; text < at; text++) {
        if (*text == '\n') {
            (*line)++;
            *column = 1;
        } else {
            (*column)++;
        }
    }
}

/* Where the text stops being UTF-8. */
static const char *bad_byte(const char *text, const char *end)
{
    size_t n;

    while (text < end) {
        for (n = 1; n <= 4 && (n > (size_t)(end - text) || !wf_utf8_is(text, n));) {
            n++;
        }
        if (n > 4) {
            break;
        }
        text += n;
    }
    return text;
}

static wf_status_t parse_all(wf_ctx_t *ctx, parser_t *p, struct json_object **value)
{
    const char *text = p->c;
    size_t len = (size_t)(p->end - text);
    int line, column;

    *value = NULL;
    if (len > INT32_MAX) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0011) "not JSON: too long");
    }
    skip_space(p);
    if (p->c == p->end) {
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0010) "not JSON: empty");
    }
    if (!wf_utf8_is(text, len)) {
        fail(p, "a byte that is no UTF-8, or NUL");
        p->c = bad_byte(text, p->end);
    } else {
        *value = parse_value(p);
        skip_space(p);
        if (p->c < p->end) {
            fail(p, "something after the value");
        }
    }
    if (p->fault) {
        json_object_put(*value);
        line_and_column(text, p->c, &line, &column);
        return wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0013) "not JSON: %s at line %d, column %d",
                              p->fault, line, column);
    }
    return WF_OK;
}

static wf_status_t parse_tree(wf_ctx_t *ctx, wf_json_t **out, const char *text, size_t len,
                              int depth, int keep_spans)
{
    parser_t p = {.pool = ctx->pool,
                  .c = text,
                  .end = text + len,
                  .depth = depth > 0 ? depth : WF_JSON_DEPTH_DEFAULT,
                  .keep_spans = keep_spans};
    struct json_object *value;
    wf_status_t st = parse_all(ctx, &p, &value);

    *out = st == WF_OK ? wf_json_own(ctx->pool, value) : NULL;
    return st;
}

wf_status_t wf_json_parse(wf_ctx_t *ctx, wf_json_t **out, const char *text, size_t len, int depth)
{
    return parse_tree(ctx, out, text, len, depth, 0);
}

wf_status_t wf_json_parse_spans(wf_ctx_t *ctx, wf_json_t **out, const char *text, size_t len,
                                int depth)
{
    return parse_tree(ctx, out, text, len, depth, 1);
}

/* ---- parts ---- */

wf_status_t wf_json_split(wf_ctx_t *ctx, wf_json_part_t *parts, size_t count, const char *text,
                          size_t len, int depth)
{
    int levels = depth > 0 ? depth : WF_JSON_DEPTH_DEFAULT;
    split_t split = {parts, count, 0, levels - 1};
    parser_t p = {
        .pool = ctx->pool, .c = text, .end = text + len, .depth = levels, .split = &split};
    struct json_object *none;
    wf_status_t st;
    size_t i;

    for (i = 0; i < count; i++) {
        parts[i].text = (wf_slice_t){NULL, 0};
    }
    st = parse_all(ctx, &p, &none);
    p.c = text;
    if (st == WF_OK && !next_is(&p, '{')) {
        st = wf_fail_public(ctx, WF_EINVALID, WFLOGNO(0430) "a JSON object is needed here");
    }
    return st;
}

wf_json_type_t wf_json_part_type(const wf_json_part_t *part)
{
    if (part->text.len == 0) {
        return WF_JSON_ABSENT;
    }
    switch (part->text.data[0]) {
    case '{':
        return WF_JSON_OBJECT;
    case '[':
        return WF_JSON_ARRAY;
    case '"':
        return WF_JSON_STRING;
    case 't':
    case 'f':
        return WF_JSON_BOOLEAN;
    case 'n':
        return WF_JSON_NULL;
    default:
        return WF_JSON_NUMBER;
    }
}

wf_slice_t wf_json_part_str(apr_pool_t *pool, const wf_json_part_t *part)
{
    parser_t p = {.pool = pool, .c = part->text.data, .end = part->text.data + part->text.len};
    wf_slice_t none = {NULL, 0};

    return wf_json_part_type(part) == WF_JSON_STRING ? parse_text(&p) : none;
}

int wf_json_part_int(int64_t *out, const wf_json_part_t *part)
{
    char digits[24];

    *out = 0;
    if (part->text.len == 0 || part->text.len >= sizeof(digits)) {
        return 0;
    }
    memcpy(digits, part->text.data, part->text.len);
    digits[part->text.len] = '\0';
    return wf_parse_int(out, digits, INT64_MIN, INT64_MAX);
}
