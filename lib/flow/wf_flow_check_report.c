/* Reporting of the Flow JSON check: places, names, messages, order. */
#include "flow/wf_flow_check_int.h"

#include <stdlib.h>
#include <string.h>

/* Of each level: a document with thousands of slips needs no list of all of them, and a hostile one
 * must not make us build it. */
#define ISSUES_MAX 200
/* Of a pointer: where names in the document are absurdly long, it ends at the parent. */
#define POINTER_MAX 2048
#define PLACE_DEPTH_MAX 128

static const char *const code_names[] = {
#define CODE_NAME(name) #name,
    WF_CHECK_CODES(CODE_NAME)
#undef CODE_NAME
};

/* JSON Schema's own keywords; all other names are Meta's. */
static const char *error_type(wf_check_code_t code)
{
    switch (code) {
    case WFC_KEYWORD_ONE_OF:
    case WFC_NOT_KEYWORD_SCHEMA_VALIDATION_FAILED:
    case WFC_PATTERN_MISMATCH:
    case WFC_INVALID_DEPENDENCIES:
        return "JSON_SCHEMA_ERROR";
    default:
        return "FLOW_JSON_ERROR";
    }
}

static size_t chain(const wf_place_t **steps, const wf_place_t *at)
{
    size_t n = 0, i;

    for (; at && at->up && n < PLACE_DEPTH_MAX; at = at->up) {
        steps[n++] = at;
    }
    for (i = 0; i < n / 2; i++) {
        const wf_place_t *swap = steps[i];
        steps[i] = steps[n - 1 - i];
        steps[n - 1 - i] = swap;
    }
    return n;
}

static void add_pointer_token(wf_buf_t *buf, const char *key)
{
    wf_buf_putc(buf, '/');
    for (; *key; key++) {
        if (*key == '~') {
            wf_buf_puts(buf, "~0");
        } else if (*key == '/') {
            wf_buf_puts(buf, "~1");
        } else {
            wf_buf_putc(buf, *key);
        }
    }
}

static void set_place(wf_check_t *c, wf_issue_t *issue, const wf_place_t *at)
{
    const wf_place_t *steps[PLACE_DEPTH_MAX];
    size_t n = chain(steps, at), i;
    wf_buf_t pointer, path;

    wf_buf_init(&pointer, c->pool, 64, 3 * POINTER_MAX);
    wf_buf_init(&path, c->pool, 64, 3 * POINTER_MAX);
    for (i = 0; i < n; i++) {
        const char *key = steps[i]->key;
        if (!key) {
            wf_buf_printf(&pointer, "/%" APR_SIZE_T_FMT, steps[i]->index);
            wf_buf_printf(&path, "[%" APR_SIZE_T_FMT "]", steps[i]->index);
            continue;
        }
        if (pointer.len + strlen(key) > POINTER_MAX) {
            break;
        }
        add_pointer_token(&pointer, key);
        wf_buf_printf(&path, "%s%s", path.len ? "." : "", key);
    }
    issue->pointer = pointer.data;
    issue->path = path.data;
}

int wf_check_is_full(const wf_check_t *c)
{
    return c->out->errors >= ISSUES_MAX;
}

void wf_check_report(wf_check_t *c, wf_issue_level_t level, const wf_place_t *at,
                     wf_check_code_t code, const char *fmt, ...)
{
    wf_issue_t *issue;
    va_list args;
    int *count;

    if (c->soft > 0) {
        level = WF_ISSUE_WARNING;
    }
    /* Each level has its own limit: no error is lost because warnings filled the list. */
    count = level == WF_ISSUE_ERROR ? &c->out->errors : &c->out->warnings;
    if (*count >= ISSUES_MAX) {
        return;
    }
    (*count)++;
    issue = apr_array_push(c->out->issues);
    memset(issue, 0, sizeof(*issue));
    issue->level = level;
    issue->error = code_names[code];
    issue->error_type = error_type(code);
    set_place(c, issue, at);
    va_start(args, fmt);
    issue->message = apr_pvsprintf(c->pool, fmt, args);
    va_end(args);
}

const char *wf_check_shorten(const wf_check_t *c, const char *text)
{
    size_t cut = 60;

    if (strlen(text) <= cut) {
        return text;
    }
    while (cut > 0 && ((unsigned char)text[cut] & 0xC0) == 0x80) {
        cut--; /* not inside a character */
    }
    return apr_psprintf(c->tmp, "%.*s...", (int)cut, text);
}

const char *wf_check_quote(const wf_check_t *c, const char *text)
{
    return apr_psprintf(c->tmp, "\"%s\"", wf_check_shorten(c, text));
}

const char *wf_check_types_text(const wf_check_t *c, unsigned types)
{
    static const struct {
        unsigned bit;
        const char *name;
    } names[] = {{WF_T_STR, "string"},
                 {WF_T_NUM, "number"},
                 {WF_T_BOOL, "boolean"},
                 {WF_T_ARR, "array"},
                 {WF_T_OBJ, "object"}};
    const char *text = "";
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (types & names[i].bit) {
            text = apr_pstrcat(c->tmp, text, *text ? " or " : "", names[i].name, NULL);
        }
    }
    return text;
}

/* ---- order ---- */

typedef struct {
    wf_issue_t issue;
    int number; /* keeps the order of reporting where places are equal */
} ranked_t;

static int by_place(const void *a, const void *b)
{
    const ranked_t *l = a, *r = b;
    const wf_json_span_t *s = &l->issue.span, *t = &r->issue.span;

    if (s->line_start != t->line_start) {
        return s->line_start < t->line_start ? -1 : 1;
    }
    if (s->column_start != t->column_start) {
        return s->column_start < t->column_start ? -1 : 1;
    }
    if (l->issue.level != r->issue.level) {
        return l->issue.level == WF_ISSUE_ERROR ? -1 : 1;
    }
    return l->number - r->number;
}

void wf_check_finish_issues(wf_check_t *c, const char *text, size_t len)
{
    size_t n = (size_t)c->out->issues->nelts, i;
    wf_issue_t *issues = (wf_issue_t *)(void *)c->out->issues->elts;
    const char **pointers = apr_palloc(c->tmp, (n + 1) * sizeof(*pointers));
    wf_json_span_t *spans = apr_palloc(c->tmp, (n + 1) * sizeof(*spans));
    ranked_t *ranked = apr_palloc(c->tmp, (n + 1) * sizeof(*ranked));

    for (i = 0; i < n; i++) {
        pointers[i] = issues[i].pointer;
    }
    wf_json_locate_many(c->tmp, spans, text, len, pointers, n);
    for (i = 0; i < n; i++) {
        ranked[i].issue = issues[i];
        ranked[i].issue.span = spans[i];
        ranked[i].number = (int)i;
    }
    qsort(ranked, n, sizeof(*ranked), by_place);
    for (i = 0; i < n; i++) {
        issues[i] = ranked[i].issue;
    }
}
