#include "flow/wf_flow.h"

#include <string.h>

#define RECORD_DEPTH (2 * WF_FLOW_REQUEST_DEPTH + 1) /* a reply may nest answers in itself */

typedef enum {
    MEMBER_TEXT,
    MEMBER_NEEDED_TEXT, /* without which nobody can own or find the session */
    MEMBER_JSON,        /* an object, kept as text */
    MEMBER_VERSION,     /* int */
    MEMBER_NUMBER,      /* int64_t or apr_time_t, never negative */
    MEMBER_NEEDED_NUMBER,
    MEMBER_OBJECT,
    MEMBER_NAMES /* an array of strings */
} member_kind_t;

/* One list for both directions. */
typedef struct {
    const char *name;
    wf_slice_t intro; /* ,"name": */
    member_kind_t kind;
    size_t offset;
} member_t;

#define INTRO(member) ",\"" #member "\":"
/* clang-format off */
#define MEMBER(kind, member)                                                                       \
    {#member, {INTRO(member), sizeof(INTRO(member)) - 1}, MEMBER_##kind,                           \
     offsetof(wf_session_t, member)}
/* clang-format on */

static const member_t members[] = {
    MEMBER(NEEDED_TEXT, id),      MEMBER(NEEDED_TEXT, company_id),
    MEMBER(TEXT, account_id),     MEMBER(NEEDED_TEXT, flow_id),
    MEMBER(TEXT, flow_name),      MEMBER(NEEDED_TEXT, token_hash),
    MEMBER(NEEDED_TEXT, status),  MEMBER(TEXT, screen),
    MEMBER(TEXT, request_hash),   MEMBER(JSON, reply),
    MEMBER(TEXT, reply_kind),     MEMBER(VERSION, flow_version),
    MEMBER(NEEDED_NUMBER, step),  MEMBER(OBJECT, answers),
    MEMBER(NAMES, history),       MEMBER(NUMBER, started_at),
    MEMBER(NUMBER, last_step_at), MEMBER(NUMBER, expires_at),
    MEMBER(NUMBER, completed_at),
};

#define MEMBERS (sizeof(members) / sizeof(members[0]))

/* ---- writing ---- */

static void add_member(wf_buf_t *out, const member_t *member, const void *value)
{
    const char *text = NULL;
    const wf_json_t *tree = NULL;

    switch (member->kind) {
    case MEMBER_TEXT:
    case MEMBER_NEEDED_TEXT:
        memcpy(&text, value, sizeof(text));
        if (text) {
            wf_buf_add(out, member->intro.data, member->intro.len);
            wf_json_write_str(out, text, strlen(text));
        }
        break;
    case MEMBER_JSON:
        memcpy(&text, value, sizeof(text));
        if (text) {
            wf_buf_add(out, member->intro.data, member->intro.len);
            wf_buf_puts(out, text);
        }
        break;
    case MEMBER_VERSION:
        wf_buf_add(out, member->intro.data, member->intro.len);
        wf_buf_put_int(out, *(const int *)value);
        break;
    case MEMBER_NUMBER:
    case MEMBER_NEEDED_NUMBER:
        wf_buf_add(out, member->intro.data, member->intro.len);
        wf_buf_put_int(out, *(const int64_t *)value);
        break;
    case MEMBER_OBJECT:
    case MEMBER_NAMES:
        memcpy(&tree, value, sizeof(tree));
        wf_buf_add(out, member->intro.data, member->intro.len);
        if (tree) {
            wf_json_write(out, tree);
        } else {
            wf_buf_puts(out, member->kind == MEMBER_OBJECT ? "{}" : "[]");
        }
        break;
    }
}

void wf_session_write(wf_buf_t *out, const wf_session_t *session)
{
    size_t i, begin = out->len;

    for (i = 0; i < MEMBERS; i++) {
        add_member(out, &members[i], (const char *)session + members[i].offset);
    }
    wf_buf_putc(out, '}');
    if (!out->failed) {
        out->data[begin] = '{'; /* in place of the first comma */
    }
}

/* ---- reading ---- */

static int is_status(const char *text)
{
    return strcmp(text, WF_SESSION_ACTIVE) == 0 || strcmp(text, WF_SESSION_COMPLETED) == 0 ||
           strcmp(text, WF_SESSION_CANCELLED) == 0 || strcmp(text, WF_SESSION_EXPIRED) == 0;
}

static int is_list_of_names(const wf_json_t *v)
{
    size_t i;

    for (i = 0; i < wf_json_len(v); i++) {
        if (!wf_json_str(wf_json_at(v, i))) {
            return 0;
        }
    }
    return wf_json_type(v) == WF_JSON_ARRAY;
}

/* An absent or null text (which PostgreSQL hands back for an empty column) is NULL. */
static int read_text(wf_ctx_t *ctx, void *value, const wf_json_part_t *part, int needed)
{
    wf_json_type_t type = wf_json_part_type(part);
    wf_slice_t text = wf_json_part_str(ctx->pool, part);
    const char *copy;

    if (type == WF_JSON_ABSENT || type == WF_JSON_NULL) {
        return !needed;
    }
    if (!text.data) {
        return 0;
    }
    copy = apr_pstrmemdup(ctx->pool, text.data, text.len);
    memcpy(value, &copy, sizeof(copy));
    return 1;
}

static int read_json(wf_ctx_t *ctx, void *value, const wf_json_part_t *part)
{
    wf_json_type_t type = wf_json_part_type(part);
    const char *copy;

    if (type == WF_JSON_OBJECT) {
        copy = apr_pstrmemdup(ctx->pool, part->text.data, part->text.len);
        memcpy(value, &copy, sizeof(copy));
    }
    return type == WF_JSON_OBJECT || type == WF_JSON_ABSENT || type == WF_JSON_NULL;
}

static int read_number(int64_t *value, const wf_json_part_t *part, int needed)
{
    wf_json_type_t type = wf_json_part_type(part);

    if (type == WF_JSON_ABSENT || type == WF_JSON_NULL) {
        return !needed;
    }
    return wf_json_part_int(value, part) && *value >= 0;
}

static int read_tree(wf_ctx_t *ctx, void *value, const wf_json_part_t *part, member_kind_t kind)
{
    wf_json_t *tree;

    if (part->text.len == 0 || wf_json_parse(ctx, &tree, part->text.data, part->text.len,
                                             WF_FLOW_REQUEST_DEPTH) != WF_OK) {
        return 0;
    }
    memcpy(value, &tree, sizeof(tree));
    return kind == MEMBER_NAMES ? is_list_of_names(tree) : wf_json_type(tree) == WF_JSON_OBJECT;
}

static int read_member(wf_ctx_t *ctx, void *value, const wf_json_part_t *part, member_kind_t kind)
{
    int64_t n = 0;
    int ok;

    switch (kind) {
    case MEMBER_TEXT:
    case MEMBER_NEEDED_TEXT:
        return read_text(ctx, value, part, kind == MEMBER_NEEDED_TEXT);
    case MEMBER_JSON:
        return read_json(ctx, value, part);
    case MEMBER_VERSION:
        ok = read_number(&n, part, 0) && n <= INT32_MAX;
        *(int *)value = (int)n;
        return ok;
    case MEMBER_NUMBER:
    case MEMBER_NEEDED_NUMBER:
        return read_number(value, part, kind == MEMBER_NEEDED_NUMBER);
    default:
        return read_tree(ctx, value, part, kind);
    }
}

wf_status_t wf_session_parse(wf_ctx_t *ctx, wf_session_t **out, const char *text, size_t len)
{
    wf_session_t *session = apr_pcalloc(ctx->pool, sizeof(*session));
    wf_json_part_t parts[MEMBERS];
    const char *wrong = NULL;
    wf_status_t st;
    size_t i;

    *out = NULL;
    for (i = 0; i < MEMBERS; i++) {
        parts[i].name = members[i].name;
    }
    if ((st = wf_json_split(ctx, parts, MEMBERS, text, len, RECORD_DEPTH)) != WF_OK) {
        return st;
    }
    for (i = 0; i < MEMBERS && !wrong; i++) {
        if (!read_member(ctx, (char *)session + members[i].offset, &parts[i], members[i].kind)) {
            wrong = members[i].name;
        }
    }
    if (!wrong && !is_status(session->status)) {
        wrong = "status";
    }
    if (wrong) {
        wf_ctx_clear(ctx);
        return wf_fail(ctx, WF_EINVALID, WFLOGNO(0240) "stored session: %s is missing or wrong",
                       wrong);
    }
    *out = session;
    return WF_OK;
}
