#include "flow/wf_engine_int.h"

#include <string.h>

typedef struct {
    char kind;
    const char *name;
    size_t name_len;
    wf_slice_t text[WF_PLAN_COLUMNS]; /* data NULL: the line has no such column */
    wf_json_t *json[WF_PLAN_COLUMNS];
    wf_plan_screen_t *screen; /* of a screen's line, once read */
} line_t;

/* What reading the plan changes in it. */
typedef struct {
    int damaged;
} state_t;

struct wf_plan_t {
    wf_ctx_t *ctx;
    const char *entry;
    int routed;
    line_t *lines;
    size_t count;
    state_t *state;
};

/* ---- opening ---- */

/* "kind TAB name TAB column TAB column…": 0 if it is not that. */
static int split_line(line_t *line, const char *text, const char *end)
{
    const char *tab;
    int column;

    memset(line, 0, sizeof(*line));
    if (end - text < 3 || text[1] != '\t') {
        return 0;
    }
    line->kind = text[0];
    line->name = text + 2;
    tab = memchr(line->name, '\t', (size_t)(end - line->name));
    if (!tab) {
        return 0;
    }
    line->name_len = (size_t)(tab - line->name);
    for (column = 0; column < WF_PLAN_COLUMNS && tab; column++) {
        const char *begin = tab + 1;
        tab = memchr(begin, '\t', (size_t)(end - begin));
        line->text[column].data = begin;
        line->text[column].len = (size_t)((tab ? tab : end) - begin);
    }
    return tab == NULL;
}

static size_t count_lines(const char *text, const char *end)
{
    size_t n = 0;

    while ((text = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        n++;
        text++;
    }
    return n;
}

static wf_status_t not_a_plan(wf_ctx_t *ctx, const char *why)
{
    wf_ctx_clear(ctx);
    return wf_fail(ctx, WF_EINTERNAL, WFLOGNO(0234) "this is no " WF_PLAN_FORMAT " plan: %s", why);
}

wf_status_t wf_plan_open(wf_ctx_t *ctx, wf_plan_t **out, const char *text, size_t len)
{
    const char *end = text + len, *line, *next;
    wf_plan_t *plan;

    *out = NULL;
    if (len < sizeof(WF_PLAN_FORMAT) || memcmp(text, WF_PLAN_FORMAT "\n", sizeof(WF_PLAN_FORMAT)) ||
        end[-1] != '\n') {
        return not_a_plan(ctx, "the first line is another, or the last one is cut");
    }
    line = text + sizeof(WF_PLAN_FORMAT);
    plan = apr_pcalloc(ctx->pool, sizeof(*plan));
    plan->ctx = ctx;
    plan->state = apr_pcalloc(ctx->pool, sizeof(*plan->state));
    plan->lines = apr_palloc(ctx->pool, (count_lines(line, end) + 1) * sizeof(*plan->lines));
    for (; line < end; line = next + 1) {
        next = memchr(line, '\n', (size_t)(end - line));
        if (!split_line(&plan->lines[plan->count++], line, next)) {
            return not_a_plan(ctx, "a line has another form");
        }
    }
    if (plan->count == 0 || plan->lines[0].kind != WF_PLAN_HEAD) {
        return not_a_plan(ctx, "it has no head");
    }
    plan->entry = apr_pstrmemdup(ctx->pool, plan->lines[0].name, plan->lines[0].name_len);
    plan->routed = plan->lines[0].text[0].len > 0;
    if (!wf_plan_has_screen(plan, plan->entry)) {
        return not_a_plan(ctx, "it has no entry screen");
    }
    *out = plan;
    return WF_OK;
}

/* ---- lines ---- */

static line_t *find_line(const wf_plan_t *plan, wf_plan_kind_t kind, const char *name, size_t len)
{
    size_t i;

    for (i = 0; i < plan->count; i++) {
        line_t *line = &plan->lines[i];
        if (line->kind == (char)kind && line->name_len == len &&
            memcmp(line->name, name, len) == 0) {
            return line;
        }
    }
    return NULL;
}

static wf_json_t *column_of(const wf_plan_t *plan, line_t *line, int column)
{
    const wf_slice_t *text = &line->text[column];

    if (!line->json[column] && text->data && !plan->state->damaged &&
        wf_json_parse(plan->ctx, &line->json[column], text->data, text->len, 0) != WF_OK) {
        plan->state->damaged = 1;
    }
    return line->json[column];
}

static const wf_plan_screen_t *screen_of(const wf_plan_t *plan, line_t *line)
{
    wf_slice_t flags = line->text[WF_SCREEN_FLAGS];
    wf_plan_screen_t *screen = line->screen;

    if (!screen && !line->text[WF_SCREEN_EXAMPLE].data) {
        plan->state->damaged = 1;
        return NULL;
    }
    if (!screen) {
        screen = apr_palloc(plan->ctx->pool, sizeof(*screen));
        screen->name = apr_pstrmemdup(plan->ctx->pool, line->name, line->name_len);
        screen->entry = memchr(flags.data, 'e', flags.len) != NULL;
        screen->terminal = memchr(flags.data, 't', flags.len) != NULL;
        screen->next = line->text[WF_SCREEN_NEXT];
        screen->prev = line->text[WF_SCREEN_PREV];
        screen->line = (size_t)(line - plan->lines);
        line->screen = screen;
    }
    return screen;
}

const wf_plan_screen_t *wf_plan_screen(const wf_plan_t *plan, const char *name)
{
    line_t *line = name ? find_line(plan, WF_PLAN_SCREEN, name, strlen(name)) : NULL;

    return line ? screen_of(plan, line) : NULL;
}

/* Screens follow each other: wf_plan_compile writes them so. */
const wf_plan_screen_t *wf_plan_screen_after(const wf_plan_t *plan, const wf_plan_screen_t *screen)
{
    size_t next = screen->line + 1;

    if (next >= plan->count || plan->lines[next].kind != WF_PLAN_SCREEN) {
        return NULL;
    }
    return screen_of(plan, &plan->lines[next]);
}

const wf_plan_screen_t *wf_plan_screen_first(const wf_plan_t *plan, wf_slice_t names)
{
    const char *comma = names.len ? memchr(names.data, ',', names.len) : NULL;
    line_t *line = find_line(plan, WF_PLAN_SCREEN, names.data,
                             comma ? (size_t)(comma - names.data) : names.len);

    return line ? screen_of(plan, line) : NULL;
}

const wf_json_t *wf_plan_screen_column(const wf_plan_t *plan, const wf_plan_screen_t *screen,
                                       int column)
{
    return column_of(plan, &plan->lines[screen->line], column);
}

const wf_json_t *wf_plan_screen_column_read(const wf_plan_t *plan, const wf_plan_screen_t *screen,
                                            int column)
{
    return plan->lines[screen->line].json[column];
}

const wf_json_t *wf_plan_part(const wf_plan_t *plan, wf_plan_kind_t kind, const char *name,
                              size_t len)
{
    line_t *line = find_line(plan, kind, name, len);

    return line ? column_of(plan, line, 0) : NULL;
}

/* ---- facts ---- */

const char *wf_plan_entry(const wf_plan_t *plan)
{
    return plan->entry;
}

int wf_plan_has_screen(const wf_plan_t *plan, const char *screen)
{
    return screen && find_line(plan, WF_PLAN_SCREEN, screen, strlen(screen)) != NULL;
}

int wf_plan_is_routed(const wf_plan_t *plan)
{
    return plan->routed;
}

const char *wf_plan_error_message(const wf_plan_t *plan)
{
    if (plan->lines[0].text[1].len == 0) {
        return NULL;
    }
    return wf_json_str(column_of(plan, &plan->lines[0], 1));
}

int wf_plan_is_damaged(const wf_plan_t *plan)
{
    return plan->state->damaged;
}

static int names(wf_slice_t list, const char *name)
{
    const char *c = list.data, *end = list.data + list.len, *comma;
    size_t len = strlen(name);

    while (c < end) {
        comma = memchr(c, ',', (size_t)(end - c));
        comma = comma ? comma : end;
        if ((size_t)(comma - c) == len && memcmp(c, name, len) == 0) {
            return 1;
        }
        c = comma + 1;
    }
    return 0;
}

int wf_plan_allows(const wf_plan_t *plan, const wf_plan_screen_t *from, const wf_plan_screen_t *to)
{
    if (!wf_plan_is_routed(plan)) {
        return 1;
    }
    if (!from) {
        return to->entry;
    }
    return strcmp(from->name, to->name) == 0 || names(from->next, to->name) ||
           names(from->prev, to->name);
}
