#include "json/wf_json.h"

#include <apr_hash.h>
#include <stdlib.h>
#include <string.h>

/* json-c keeps no positions, so a pointer is looked up again in the text: only error messages
 * need it, never the hot path. The text is known to be well-formed. */

typedef struct {
    const char *p;
    const char *end;
} scan_t;

static void skip_space(scan_t *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n')) {
        s->p++;
    }
}

static void skip_string(scan_t *s)
{
    s->p++;
    while (s->p < s->end && *s->p != '"') {
        s->p += *s->p == '\\' ? 2 : 1;
    }
    if (s->p < s->end) {
        s->p++;
    }
}

/* No recursion: brackets outside strings are counted. */
static void skip_value(scan_t *s)
{
    int depth = 0;

    skip_space(s);
    while (s->p < s->end) {
        char c = *s->p;
        if (c == '"') {
            skip_string(s);
        } else if (c == '{' || c == '[') {
            depth++;
            s->p++;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
            s->p++;
        } else if (depth > 0) {
            s->p++;
            continue;
        } else {
            while (s->p < s->end && !strchr(",]} \t\r\n", *s->p)) {
                s->p++;
            }
        }
        if (depth == 0) {
            return;
        }
    }
}

static int key_is(const char *raw, size_t raw_len, const char *token, size_t token_len)
{
    wf_json_t *v;
    apr_pool_t *pool;
    wf_ctx_t *ctx;
    int same;

    if (!memchr(raw, '\\', raw_len)) {
        return raw_len == token_len + 2 && memcmp(raw + 1, token, token_len) == 0;
    }
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return 0;
    }
    ctx = wf_ctx_make(pool, NULL);
    same = wf_json_parse(ctx, &v, raw, raw_len, 0) == WF_OK && wf_json_str_len(v) == token_len &&
           memcmp(wf_json_str(v), token, token_len) == 0;
    apr_pool_destroy(pool);
    return same;
}

/* One token of a pointer, unescaped in place into `out`; returns the rest. */
static const char *next_token(const char *pointer, char *out, size_t size, size_t *len)
{
    size_t n = 0;

    pointer++;
    while (*pointer && *pointer != '/') {
        char c = *pointer++;
        if (c == '~' && (*pointer == '0' || *pointer == '1')) {
            c = *pointer++ == '0' ? '~' : '/';
        }
        if (n + 1 < size) {
            out[n++] = c;
        }
    }
    out[n] = '\0';
    *len = n;
    return pointer;
}

/* From the quote of a member's key to its value. */
static wf_slice_t skip_key(scan_t *s)
{
    wf_slice_t key = {s->p, 0};

    skip_string(s);
    key.len = (size_t)(s->p - key.data);
    skip_space(s);
    s->p++; /* the colon */
    skip_space(s);
    return key;
}

static int enter_member(scan_t *s, const char *token, size_t token_len, const char **start)
{
    scan_t found = {NULL, s->end};
    const char *found_start = NULL;

    s->p++;
    for (skip_space(s); s->p < s->end && *s->p == '"'; skip_space(s)) {
        wf_slice_t key = skip_key(s);

        if (key_is(key.data, key.len, token, token_len)) {
            found.p = s->p;
            found_start = key.data;
        }
        skip_value(s);
        skip_space(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
        }
    }
    if (!found.p) {
        return 0;
    }
    *s = found; /* of duplicates the last one: the one the parser kept */
    *start = found_start;
    return 1;
}

static int enter_element(scan_t *s, const char *token, const char **start)
{
    int64_t index, i;

    if (!wf_parse_int(&index, token, 0, INT32_MAX)) {
        return 0;
    }
    s->p++;
    for (i = 0;; i++) {
        skip_space(s);
        if (s->p >= s->end || *s->p == ']') {
            return 0;
        }
        if (i == index) {
            *start = s->p;
            return 1;
        }
        skip_value(s);
        skip_space(s);
        if (s->p < s->end && *s->p == ',') {
            s->p++;
        }
    }
}

static void place(const char *text, const char *at, int *line, int *column)
{
    const char *p;

    *line = 1;
    *column = 1;
    for (p = text; p < at; p++) {
        if (*p == '\n') {
            (*line)++;
            *column = 1;
        } else {
            (*column)++;
        }
    }
}

int wf_json_locate(wf_json_span_t *span, const char *text, size_t len, const char *pointer)
{
    scan_t s = {text, text + len};
    const char *start;
    char token[512];
    size_t token_len;

    memset(span, 0, sizeof(*span));
    skip_space(&s);
    start = s.p;
    while (*pointer == '/') {
        int ok = 0;
        pointer = next_token(pointer, token, sizeof(token), &token_len);
        if (s.p < s.end && *s.p == '{') {
            ok = enter_member(&s, token, token_len, &start);
        } else if (s.p < s.end && *s.p == '[') {
            ok = enter_element(&s, token, &start);
        }
        if (!ok) {
            return 0;
        }
    }
    skip_value(&s);
    place(text, start, &span->line_start, &span->column_start);
    place(text, s.p > start ? s.p - 1 : start, &span->line_end, &span->column_end);
    return 1;
}

/* ---- many pointers in one walk ---- */

/* The pointers as a tree of tokens: the walk goes down only where one of them leads. */
typedef struct node_t {
    apr_hash_t *children; /* token -> node_t, NULL where there is none */
    const char *start, *end;
} node_t;

static node_t *node_for(apr_pool_t *pool, node_t *node, const char *pointer)
{
    char *token = apr_palloc(pool, strlen(pointer) + 1);
    size_t len;

    while (*pointer == '/') {
        node_t *child;
        pointer = next_token(pointer, token, strlen(pointer) + 1, &len);
        if (!node->children) {
            node->children = apr_hash_make(pool);
        }
        child = apr_hash_get(node->children, token, (apr_ssize_t)len);
        if (!child) {
            child = apr_pcalloc(pool, sizeof(*child));
            apr_hash_set(node->children, apr_pstrmemdup(pool, token, len), (apr_ssize_t)len, child);
        }
        node = child;
    }
    return node;
}

static node_t *child_by_key(apr_pool_t *pool, const node_t *node, const char *raw, size_t raw_len)
{
    wf_json_t *v;

    if (!memchr(raw, '\\', raw_len)) {
        return apr_hash_get(node->children, raw + 1, (apr_ssize_t)(raw_len - 2));
    }
    if (wf_json_parse(wf_ctx_make(pool, NULL), &v, raw, raw_len, 0) != WF_OK) {
        return NULL;
    }
    return apr_hash_get(node->children, wf_json_str(v), (apr_ssize_t)wf_json_str_len(v));
}

static void walk(apr_pool_t *pool, scan_t *s, node_t *node, const char *start);

static void walk_or_skip(apr_pool_t *pool, scan_t *s, node_t *node, const char *start)
{
    if (node) {
        walk(pool, s, node, start);
    } else {
        skip_value(s);
    }
    skip_space(s);
    if (s->p < s->end && *s->p == ',') {
        s->p++;
    }
    skip_space(s);
}

/* The depth is that of the text, which the parser has bounded. */
static void walk(apr_pool_t *pool, scan_t *s, node_t *node, const char *start)
{
    char bracket = s->p < s->end ? *s->p : '\0';

    if (!node->children || (bracket != '{' && bracket != '[')) {
        skip_value(s);
    } else if (bracket == '{') {
        s->p++;
        for (skip_space(s); s->p < s->end && *s->p == '"';) {
            wf_slice_t key = skip_key(s);

            walk_or_skip(pool, s, child_by_key(pool, node, key.data, key.len), key.data);
        }
        s->p++;
    } else {
        char token[32];
        size_t i = 0;
        s->p++;
        for (skip_space(s); s->p < s->end && *s->p != ']'; i++) {
            int len = apr_snprintf(token, sizeof(token), "%" APR_SIZE_T_FMT, i);
            walk_or_skip(pool, s, apr_hash_get(node->children, token, len), s->p);
        }
        s->p++;
    }
    node->start = start;
    node->end = s->p > start ? s->p - 1 : start;
}

typedef struct {
    const char *at;
    int *line, *column;
} mark_t;

static int by_place(const void *a, const void *b)
{
    const mark_t *l = a, *r = b;

    return l->at < r->at ? -1 : l->at > r->at;
}

static void place_marks(const char *text, mark_t *marks, size_t count)
{
    const char *p = text;
    int line = 1, column = 1;
    size_t i;

    qsort(marks, count, sizeof(*marks), by_place);
    for (i = 0; i < count; i++) {
        for (; p < marks[i].at; p++) {
            column = *p == '\n' ? 1 : column + 1;
            line += *p == '\n';
        }
        *marks[i].line = line;
        *marks[i].column = column;
    }
}

void wf_json_locate_many(apr_pool_t *pool, wf_json_span_t *spans, const char *text, size_t len,
                         const char *const *pointers, size_t count)
{
    node_t root = {NULL, NULL, NULL};
    node_t **nodes = apr_pcalloc(pool, (count + 1) * sizeof(node_t *));
    mark_t *marks = apr_palloc(pool, (2 * count + 1) * sizeof(*marks));
    scan_t s = {text, text + len};
    size_t i, marked = 0;

    memset(spans, 0, count * sizeof(*spans));
    for (i = 0; i < count; i++) {
        nodes[i] = node_for(pool, &root, pointers[i]);
    }
    skip_space(&s);
    walk(pool, &s, &root, s.p);
    for (i = 0; i < count; i++) {
        if (nodes[i]->start) {
            marks[marked++] =
                (mark_t){nodes[i]->start, &spans[i].line_start, &spans[i].column_start};
            marks[marked++] = (mark_t){nodes[i]->end, &spans[i].line_end, &spans[i].column_end};
        }
    }
    place_marks(text, marks, marked);
}

char *wf_json_pointer_add(apr_pool_t *pool, const char *pointer, const char *token)
{
    size_t extra = 0, n = strlen(pointer);
    const char *p;
    char *out, *o;

    for (p = token; *p; p++) {
        extra += *p == '~' || *p == '/' ? 2 : 1;
    }
    o = out = apr_palloc(pool, n + extra + 2);
    memcpy(o, pointer, n);
    o += n;
    *o++ = '/';
    for (p = token; *p; p++) {
        if (*p == '~' || *p == '/') {
            *o++ = '~';
            *o++ = *p == '~' ? '0' : '1';
        } else {
            *o++ = *p;
        }
    }
    *o = '\0';
    return out;
}

char *wf_json_pointer_add_index(apr_pool_t *pool, const char *pointer, size_t index)
{
    return apr_psprintf(pool, "%s/%" APR_SIZE_T_FMT, pointer, index);
}

wf_json_t *wf_json_pointer_get(const wf_json_t *doc, const char *pointer)
{
    wf_json_t *v = (wf_json_t *)(uintptr_t)doc;
    char token[512];
    size_t token_len;
    int64_t index;

    while (v && *pointer == '/') {
        pointer = next_token(pointer, token, sizeof(token), &token_len);
        if (wf_json_type(v) == WF_JSON_ARRAY) {
            v = wf_parse_int(&index, token, 0, INT32_MAX) ? wf_json_at(v, (size_t)index) : NULL;
        } else {
            v = wf_json_get(v, token);
        }
    }
    return v;
}
