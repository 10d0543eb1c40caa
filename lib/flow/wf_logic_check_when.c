/* What is checked when logic is saved, part one: single texts and conditions. */
#include "flow/wf_logic_check_int.h"

#include <string.h>

/* ---- issues ---- */

/* Meta's form of a place: "/logic/screens/A/0/when" is logic.screens.A[0].when. */
static const char *dotted(apr_pool_t *pool, const char *pointer)
{
    wf_buf_t out;
    const char *c;

    wf_buf_init(&out, pool, 64, WF_TEXT_MAX);
    for (c = pointer; *c;) {
        size_t len = strcspn(++c, "/");
        if (len > 0 && strspn(c, "0123456789") == len) {
            wf_buf_putc(&out, '[');
            wf_buf_add(&out, c, len);
            wf_buf_putc(&out, ']');
        } else {
            wf_buf_puts(&out, out.len ? "." : "");
            wf_buf_add(&out, c, len);
        }
        c += len;
    }
    return out.data;
}

void wf_logic_issue(wf_logic_check_t *k, wf_issue_level_t level, const char *pointer,
                    const char *fmt, ...)
{
    wf_issue_t *issue;
    va_list ap;

    if (!k->issues->issues) {
        k->issues->issues = apr_array_make(k->pool, 4, sizeof(wf_issue_t));
    }
    issue = &APR_ARRAY_PUSH(k->issues->issues, wf_issue_t);
    memset(issue, 0, sizeof(*issue));
    va_start(ap, fmt);
    issue->message = apr_pvsprintf(k->pool, fmt, ap);
    va_end(ap);
    issue->level = level;
    issue->error = "INVALID_LOGIC";
    issue->error_type = "FLOW_JSON_ERROR";
    issue->pointer = pointer;
    issue->path = dotted(k->pool, pointer);
    if (level == WF_ISSUE_ERROR) {
        k->issues->errors++;
    } else {
        k->issues->warnings++;
    }
}

void wf_logic_check_members(wf_logic_check_t *k, const wf_json_t *object, const char *pointer,
                            const char *const *allowed)
{
    size_t i;

    for (wf_json_iter_t it = wf_json_iter(object); wf_json_next(&it);) {
        for (i = 0; allowed[i] && strcmp(allowed[i], it.key) != 0;) {
            i++;
        }
        if (!allowed[i]) {
            const char *list = allowed[0];
            for (i = 1; allowed[i]; i++) {
                list = apr_pstrcat(k->pool, list, ", ", allowed[i], NULL);
            }
            wf_logic_issue(k, WF_ISSUE_ERROR, wf_json_pointer_add(k->pool, pointer, it.key),
                           "there is no \"%s\" here; known are %s", it.key, list);
        }
    }
}

/* ---- paths ---- */

static int is_one_of(const char *text, size_t len, const char *const *names)
{
    for (; *names; names++) {
        if (strlen(*names) == len && memcmp(*names, text, len) == 0) {
            return 1;
        }
    }
    return 0;
}

static const char *constant_fault(wf_logic_check_t *k, const char *path, const char *rest,
                                  size_t rest_len)
{
    wf_value_t v = wf_value_walk(wf_value_of(k->constants), rest, rest_len);

    if (rest_len > 0 && v.kind != WF_VALUE_UNDEFINED) {
        return NULL;
    }
    return apr_psprintf(k->pool, "%s: there is no such value in `static`", path);
}

const char *wf_logic_path_fault(wf_logic_check_t *k, const char *path, size_t len)
{
    static const char *const open_roots[] = {"data", "session", NULL};
    static const char *const of_flow[] = {"name", "version", "token", NULL};
    static const char *const of_company[] = {"id",           "slug",     "name",
                                             "display_name", "settings", NULL};
    const char *text = apr_pstrmemdup(k->pool, path, len), *dot = strchr(text, '.');
    const char *rest = dot ? dot + 1 : "";
    size_t root_len = dot ? (size_t)(dot - text) : strlen(text);
    size_t member_len = strcspn(rest, "."), i;

    for (i = 0; i < len; i++) {
        if ((unsigned char)path[i] <= ' ' || strchr("{}$\"'`|()", path[i])) {
            return apr_psprintf(k->pool, "\"%s\" is no path: write member names parted by dots",
                                text);
        }
    }
    if (strstr(text, "..") || (len > 0 && text[len - 1] == '.')) {
        return apr_psprintf(k->pool, "\"%s\" is no path: a member name is empty", text);
    }
    if (is_one_of(text, root_len, open_roots)) {
        return NULL;
    }
    if (root_len == 6 && strncmp(text, "static", 6) == 0) {
        return constant_fault(k, text, rest, strlen(rest));
    }
    if (root_len == 4 && strncmp(text, "flow", 4) == 0) {
        return is_one_of(rest, strlen(rest), of_flow)
                   ? NULL
                   : apr_psprintf(k->pool, "%s: flow has name, version and token", text);
    }
    if (root_len == 7 && strncmp(text, "company", 7) == 0) {
        return is_one_of(rest, member_len, of_company)
                   ? NULL
                   : apr_psprintf(k->pool,
                                  "%s: company has id, slug, name, display_name and settings",
                                  text);
    }
    return apr_psprintf(k->pool,
                        "\"%s\" reads nothing: paths begin with data, session, static, flow or "
                        "company",
                        text);
}

/* ---- templates ---- */

void wf_logic_check_text(wf_logic_check_t *k, const wf_json_t *text, const char *pointer)
{
    wf_slice_t rest = {wf_json_str(text), wf_json_str_len(text)};
    wf_template_part_t part;
    const char *fault;

    while (wf_template_next(&part, &rest)) {
        if (part.is_path) {
            fault = wf_logic_path_fault(k, part.text.data, part.text.len);
            if (fault) {
                wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "bad ${...}: %s", fault);
            }
        } else if (strstr(apr_pstrmemdup(k->pool, part.text.data, part.text.len), "${")) {
            wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "bad ${...}: the closing } is missing");
        }
    }
}

/* ---- conditions ---- */

typedef struct {
    int nodes;
    int depth;
    int is_scoped; /* inside map and its like: any path may be right */
} condition_t;

static void check_node(wf_logic_check_t *k, condition_t *c, const wf_json_t *node,
                       const char *pointer);

/* Paths that are written out are checked; computed ones cannot be. */
static void check_paths(wf_logic_check_t *k, const char *operator, const wf_json_t * operands,
                        const char *pointer)
{
    int is_var = strcmp(operator, "var") == 0;
    size_t i, n = wf_json_type(operands) == WF_JSON_ARRAY ? wf_json_len(operands) : 1;
    const wf_json_t *path;
    const char *fault;

    if (!is_var && strcmp(operator, "missing") != 0 && strcmp(operator, "missing_some") != 0) {
        return;
    }
    if (strcmp(operator, "missing_some") == 0) {
        operands = wf_json_at(operands, 1);
        n = wf_json_len(operands);
    }
    for (i = 0; i < (is_var && n > 1 ? 1 : n); i++) {
        path = wf_json_type(operands) == WF_JSON_ARRAY ? wf_json_at(operands, i) : operands;
        fault = wf_json_str(path) ? wf_logic_path_fault(k, wf_json_str(path), wf_json_str_len(path))
                                  : NULL;
        if (fault) {
            wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "%s", fault);
        }
    }
}

static void check_operands(wf_logic_check_t *k, condition_t *c, const wf_operator_rule_t *rule,
                           const wf_json_t *operands, const char *pointer)
{
    int is_scoped = c->is_scoped;
    size_t i;

    if (wf_json_type(operands) != WF_JSON_ARRAY) {
        check_node(k, c, operands, pointer);
        return;
    }
    for (i = 0; i < wf_json_len(operands); i++) {
        c->is_scoped = is_scoped || (rule->is_scoped && i == 1);
        check_node(k, c, wf_json_at(operands, i), wf_json_pointer_add_index(k->pool, pointer, i));
    }
    c->is_scoped = is_scoped;
}

static void check_operation(wf_logic_check_t *k, condition_t *c, const wf_json_t *node,
                            const char *pointer)
{
    wf_json_iter_t it = wf_json_iter(node);
    const wf_operator_rule_t *rule;
    int n;

    if (wf_json_len(node) != 1) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer,
                       "an object here is one operation, {\"operator\": operands}; this one has "
                       "%d members",
                       (int)wf_json_len(node));
        return;
    }
    (void)wf_json_next(&it);
    rule = wf_logic_operator(it.key);
    if (!rule) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "unknown operator \"%s\"", it.key);
        return;
    }
    n = wf_json_type(it.value) == WF_JSON_ARRAY ? (int)wf_json_len(it.value) : 1;
    if (n < rule->min || (rule->max >= 0 && n > rule->max)) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "\"%s\" takes %s%d operand%s, not %d", it.key,
                       rule->max < 0           ? "at least "
                       : rule->max > rule->min ? (n < rule->min ? "at least " : "at most ")
                                               : "",
                       n < rule->min ? rule->min : rule->max,
                       (n < rule->min ? rule->min : rule->max) == 1 ? "" : "s", n);
        return;
    }
    pointer = wf_json_pointer_add(k->pool, pointer, it.key);
    if (!c->is_scoped) {
        check_paths(k, it.key, it.value, pointer);
    }
    check_operands(k, c, rule, it.value, pointer);
}

static void check_node(wf_logic_check_t *k, condition_t *c, const wf_json_t *node,
                       const char *pointer)
{
    size_t i;

    if (++c->nodes > WF_LOGIC_STEPS) {
        if (c->nodes == WF_LOGIC_STEPS + 1) {
            wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "the condition has over %d parts",
                           WF_LOGIC_STEPS);
        }
        return;
    }
    if (++c->depth > WF_LOGIC_DEPTH) {
        wf_logic_issue(k, WF_ISSUE_ERROR, pointer, "the condition is nested deeper than %d",
                       WF_LOGIC_DEPTH);
    } else if (wf_json_type(node) == WF_JSON_OBJECT) {
        check_operation(k, c, node, pointer);
    } else {
        for (i = 0; i < wf_json_len(node); i++) {
            check_node(k, c, wf_json_at(node, i), wf_json_pointer_add_index(k->pool, pointer, i));
        }
    }
    c->depth--;
}

void wf_logic_check_when(wf_logic_check_t *k, const wf_json_t *when, const char *pointer)
{
    condition_t c = {0, 0, 0};

    check_node(k, &c, when, pointer);
}
