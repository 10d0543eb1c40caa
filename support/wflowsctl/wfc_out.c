/* What comes out: tables for people, one JSON document for programs, failures for both. */
#include "wfc.h"

#include <stdio.h>
#include <string.h>

#define CELL_MAX 60

/* ---- values ---------------------------------------------------------------------------------- */

/* On one line, and without control characters. */
static const char *clean(apr_pool_t *pool, const char *text)
{
    char *copy = apr_pstrdup(pool, text);
    unsigned char *p;

    for (p = (unsigned char *)copy; *p; p++) {
        int c1 = *p >= 0x80 && *p < 0xa0 && p > (unsigned char *)copy && p[-1] == 0xc2;

        if (*p == '\n' || *p == '\r' || *p == '\t') {
            *p = ' ';
        } else if (*p < 0x20 || *p == 0x7f || c1) {
            *p = '?';
        }
    }
    return copy;
}

const char *wfc_cell(apr_pool_t *pool, const wf_json_t *value)
{
    switch (wf_json_type(value)) {
    case WF_JSON_ABSENT:
    case WF_JSON_NULL:
        return "-";
    case WF_JSON_BOOLEAN:
        return wf_json_bool(value) ? "yes" : "no";
    case WF_JSON_STRING:
        return clean(pool, wf_json_str(value));
    default:
        return clean(pool, wf_json_text(pool, value, NULL));
    }
}

static void pad(size_t n)
{
    while (n-- > 0) {
        putchar(' ');
    }
}

static size_t width_of(const char *text)
{
    return wf_utf8_count(text, strlen(text));
}

/* ---- documents ------------------------------------------------------------------------------- */

void wfc_print_json(wfc_t *c, const wf_json_t *document)
{
    puts(wf_json_text_pretty(c->pool, document));
    c->document_printed = 1;
}

static void print_row(const wfc_column_t *columns, const char *const *cells, const size_t *widths)
{
    int i;

    for (i = 0; columns[i].title; i++) {
        size_t gap = widths[i] - width_of(cells[i]);

        if (columns[i].right) {
            pad(gap);
        }
        fputs(cells[i], stdout);
        if (columns[i + 1].title) {
            pad((columns[i].right ? 0 : gap) + 2);
        }
    }
    putchar('\n');
}

static void print_table(wfc_t *c, const wf_json_t *rows, const wfc_column_t *columns)
{
    size_t row, count = wf_json_len(rows);
    int i, width = 0;
    size_t *widths;
    const char **cells;

    while (columns[width].title) {
        width++;
    }
    widths = apr_pcalloc(c->pool, sizeof(*widths) * (size_t)width);
    cells = apr_pcalloc(c->pool, sizeof(*cells) * (size_t)width * (count + 1));
    for (row = 0; row <= count; row++) {
        for (i = 0; i < width; i++) {
            const char **cell = &cells[row * (size_t)width + (size_t)i];

            *cell = row == 0 ? columns[i].title
                             : wfc_cell(c->pool, wf_json_pointer_get(wf_json_at(rows, row - 1),
                                                                     columns[i].pointer));
            if (width_of(*cell) > widths[i]) {
                widths[i] = width_of(*cell);
            }
        }
    }
    for (row = 0; row <= count; row++) {
        print_row(columns, cells + row * (size_t)width, widths);
    }
}

void wfc_print_list(wfc_t *c, const wf_json_t *rows, const wfc_column_t *columns, const char *none)
{
    wf_json_t *document;

    if (c->json) {
        document = wf_json_object_make(c->pool);
        wf_json_set(document, "data", wf_json_copy(c->pool, rows));
        wfc_print_json(c, document);
    } else if (wf_json_len(rows) == 0) {
        wfc_say(c, "%s", none);
    } else {
        print_table(c, rows, columns);
    }
}

wf_status_t wfc_print_list_of(wfc_t *c, wfc_lister_fn *lister, const wfc_column_t *columns,
                              const char *none)
{
    wf_json_t *company = NULL, *all = NULL;
    wf_status_t st = wfc_company(c, &company, wfc_opt(c, "company"));

    if (st == WF_OK) {
        st = lister(c->ctx, &all, c->store, wfc_id(company));
    }
    if (st == WF_OK) {
        wfc_print_list(c, all, columns, none);
    }
    return st;
}

/* A text of several lines (a PEM), indented below its name. */
static void print_lines(wfc_t *c, const char *text)
{
    putchar('\n');
    while (*text) {
        size_t len = strcspn(text, "\n");

        printf("    %s\n", clean(c->pool, apr_pstrmemdup(c->pool, text, len)));
        text += len + (text[len] == '\n');
    }
}

void wfc_print_record(wfc_t *c, const wf_json_t *record)
{
    wf_json_iter_t i;
    size_t width = 0;

    if (c->json) {
        wfc_print_json(c, record);
        return;
    }
    for (i = wf_json_iter(record); wf_json_next(&i);) {
        size_t w = width_of(i.key);
        width = w > width ? w : width;
    }
    for (i = wf_json_iter(record); wf_json_next(&i);) {
        const char *text = wf_json_str(i.value);

        printf("%s:", i.key);
        if (text && strchr(text, '\n')) {
            print_lines(c, text);
        } else {
            pad(width - width_of(i.key) + 1);
            puts(wfc_cell(c->pool, i.value));
        }
    }
}

void wfc_print_done(wfc_t *c, const wf_json_t *record, const char *fmt, ...)
{
    va_list ap;

    if (c->json) {
        wfc_print_json(c, record);
        return;
    }
    va_start(ap, fmt);
    puts(apr_pvsprintf(c->pool, fmt, ap));
    va_end(ap);
}

void wfc_print_text(wfc_t *c, const wf_json_t *record, const char *text)
{
    if (c->json) {
        wfc_print_json(c, record);
    } else {
        fputs(text, stdout);
    }
}

void wfc_say(const wfc_t *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "%s\n", apr_pvsprintf(c->pool, fmt, ap));
    va_end(ap);
}

/* ---- failures -------------------------------------------------------------------------------- */

static const char *after_number(const char *detail)
{
    const char *colon = strncmp(detail, "WF", 2) == 0 ? strstr(detail, ": ") : NULL;

    return colon ? colon + 2 : detail;
}

/* The library logs a failure where it happens and hands it to us as well. The last line is held
 * back until it is known whether it is the failure that ends the command, which is printed only
 * once. */
void wfc_log(wf_log_level_t level, const char *file, int line, const char *message, void *baton)
{
    wfc_t *c = baton;

    if (c->held_note) {
        fprintf(stderr, "wflowsctl: note: %s\n", c->held_note);
        c->held_note = NULL;
    }
    if (c->verbose && level != WF_LOG_NOTICE) {
        fprintf(stderr, "wflowsctl: %s:%d: %s\n", file, line, message);
    } else if (level > WF_LOG_WARNING) {
        fprintf(stderr, "%s\n", after_number(message));
    } else {
        c->held_note = apr_pstrdup(c->pool, message);
    }
}

static void flush_note(wfc_t *c)
{
    if (c->held_note && (!c->ctx->err.detail || strcmp(c->held_note, c->ctx->err.detail) != 0)) {
        fprintf(stderr, "wflowsctl: note: %s\n", c->held_note);
    }
    c->held_note = NULL;
}

static const struct {
    wfc_exit_t code;
    const char *hint;
} by_status[] = {
    [WF_OK] = {WFC_EXIT_OK, NULL},
    [WF_ENOTFOUND] = {WFC_EXIT_NOTFOUND, NULL},
    [WF_EINVALID] = {WFC_EXIT_INVALID, NULL},
    [WF_EDENIED] = {WFC_EXIT_DENIED, NULL},
    [WF_ECONFLICT] = {WFC_EXIT_CONFLICT, NULL},
    [WF_ELIMIT] = {WFC_EXIT_LIMIT, NULL},
    [WF_EUNAVAIL] = {WFC_EXIT_UNAVAILABLE, "'wflowsctl doctor' finds out more."},
    [WF_EINTERNAL] = {WFC_EXIT_INTERNAL, "Run it again with -v, and look into PostgreSQL's log."},
};

/* "WF0123" of "WF0123: text", or NULL. */
static const char *number_of(apr_pool_t *pool, const char *detail)
{
    const char *colon = detail && strncmp(detail, "WF", 2) == 0 ? strchr(detail, ':') : NULL;

    return colon ? apr_pstrmemdup(pool, detail, (apr_size_t)(colon - detail)) : NULL;
}

static void report_json(wfc_t *c, wf_status_t status, wfc_exit_t code, const char *message,
                        const char *hint)
{
    wf_json_t *document = wf_json_object_make(c->pool), *error = wf_json_object_make(c->pool);

    wf_json_set_str(error, "code", wf_status_name(status));
    wf_json_set_int(error, "exit_code", code);
    wf_json_set_str(error, "id", number_of(c->pool, c->ctx->err.detail));
    wf_json_set_str(error, "message", message);
    wf_json_set_str(error, "hint", hint);
    wf_json_set(document, "error", error);
    wfc_print_json(c, document);
}

wfc_exit_t wfc_report(wfc_t *c, wf_status_t status)
{
    const wf_err_t *err = &c->ctx->err;
    wfc_exit_t code = c->exit_code ? c->exit_code : by_status[status].code;
    const char *hint = c->hint ? c->hint : by_status[status].hint;
    const char *message;

    flush_note(c);
    if (status == WF_OK) {
        return code;
    }
    message = err->public_text ? err->public_text
              : err->detail    ? after_number(err->detail)
                               : wf_status_name(status);
    message = clean(c->pool, message);
    if (!err->public_text && number_of(c->pool, err->detail)) {
        message = apr_psprintf(c->pool, "%s (%s)", message, number_of(c->pool, err->detail));
    }
    fflush(stdout);
    fprintf(stderr, "wflowsctl%s%s: %s\n", c->command ? " " : "",
            c->command ? c->command->name : "", message);
    if (hint) {
        fprintf(stderr, "%s\n", hint);
    }
    if (c->json && !c->document_printed) {
        report_json(c, status, code, message, hint);
    }
    return code;
}
