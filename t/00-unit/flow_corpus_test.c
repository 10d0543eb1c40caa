/* Every document of the shared corpus: the valid flows pass without an error, the invalid ones are
 * refused by the rule that their file expects. The corpus lies beside the repository
 * ($WFLOWS_CORPUS, else ../shared/corpus of $WF_SRCDIR, else of the working directory); without it
 * there is nothing to test, unless $WF_TEST_REQUIRE names "corpus". Prints TAP itself: a test for
 * each file. */
#include "flow/wf_flow.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tests, failures;

static void result(int ok, const char *name, const char *why)
{
    tests++;
    failures += !ok;
    printf("%s %d - %s\n", ok ? "ok" : "not ok", tests, name);
    if (!ok) {
        printf("# %s\n", why);
    }
}

static const char *corpus_dir(apr_pool_t *pool)
{
    const char *dir = getenv("WFLOWS_CORPUS");
    const char *srcdir = getenv("WF_SRCDIR");

    return dir ? dir : apr_pstrcat(pool, srcdir ? srcdir : ".", "/../shared/corpus", NULL);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names of the .json files in a folder, sorted; NULL if it cannot be read. */
static apr_array_header_t *json_files(apr_pool_t *pool, const char *dir)
{
    apr_array_header_t *names = apr_array_make(pool, 128, sizeof(const char *));
    apr_dir_t *handle;
    apr_finfo_t info;

    if (apr_dir_open(&handle, dir, pool) != APR_SUCCESS) {
        return NULL;
    }
    while (apr_dir_read(&info, APR_FINFO_NAME, handle) == APR_SUCCESS) {
        size_t len = strlen(info.name);
        if (len > 5 && strcmp(info.name + len - 5, ".json") == 0) {
            APR_ARRAY_PUSH(names, const char *) = apr_pstrdup(pool, info.name);
        }
    }
    apr_dir_close(handle);
    qsort(names->elts, (size_t)names->nelts, sizeof(const char *), by_name);
    return names;
}

static const char *read_file(apr_pool_t *pool, const char *dir, const char *name, size_t *len)
{
    const char *path = apr_pstrcat(pool, dir, "/", name, NULL);
    apr_file_t *file;
    apr_finfo_t info;
    char *text = NULL;

    if (apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool) != APR_SUCCESS) {
        return NULL;
    }
    if (apr_file_info_get(&info, APR_FINFO_SIZE, file) == APR_SUCCESS) {
        *len = (size_t)info.size;
        text = apr_pcalloc(pool, *len + 1);
        if (apr_file_read_full(file, text, *len, NULL) != APR_SUCCESS) {
            text = NULL;
        }
    }
    apr_file_close(file);
    return text;
}

static const char *summary(apr_pool_t *pool, const wf_issues_t *issues)
{
    const char *text = "";
    int i;

    for (i = 0; i < issues->issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(issues->issues, i, wf_issue_t);
        if (issue->level == WF_ISSUE_ERROR) {
            text =
                apr_pstrcat(pool, text, *text ? ", " : "", issue->error, " ", issue->pointer, NULL);
        }
    }
    return *text ? text : "no error";
}

static int check(wf_ctx_t *ctx, wf_issues_t *issues, const char *text, size_t len)
{
    wf_json_t *doc;

    return wf_flow_check(ctx, issues, &doc, text, len) == WF_OK;
}

/* ---- valid flows ---- */

static void test_valid(wf_ctx_t *ctx, const char *dir, const char *name)
{
    size_t len = 0;
    const char *text = read_file(ctx->pool, dir, name, &len);
    wf_issues_t issues;

    if (!text || !check(ctx, &issues, text, len)) {
        result(0, name, "cannot be read or checked");
        return;
    }
    result(issues.errors == 0, apr_pstrcat(ctx->pool, "valid: ", name, NULL),
           summary(ctx->pool, &issues));
}

/* ---- invalid flows ---- */

/* One of the codes stands among the errors (or warnings); no codes given: any error will do. */
static int has_code(const wf_issues_t *issues, const wf_json_t *codes, wf_issue_level_t level)
{
    int i;
    size_t k;

    for (i = 0; i < issues->issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(issues->issues, i, wf_issue_t);
        if (issue->level != level) {
            continue;
        }
        for (k = 0; k < wf_json_len(codes); k++) {
            if (strcmp(issue->error, wf_json_str(wf_json_at(codes, k))) == 0) {
                return 1;
            }
        }
        if (wf_json_len(codes) == 0) {
            return 1;
        }
    }
    return 0;
}

/* A fragment of Meta's pages, set into a flow: a list of children, or one component. */
static wf_json_t *whole_flow(apr_pool_t *pool, wf_json_t *value)
{
    wf_json_t *flow, *screen, *layout, *list;

    if (wf_json_has(value, "screens")) {
        return value;
    }
    flow = wf_json_object_make(pool);
    screen = wf_json_object_make(pool);
    layout = wf_json_object_make(pool);
    list = wf_json_array_make(pool);
    wf_json_set_str(flow, "version", "7.3");
    wf_json_set_str(screen, "id", "FIRST_SCREEN");
    wf_json_set_str(screen, "title", "First");
    wf_json_set_str(layout, "type", "SingleColumnLayout");
    if (wf_json_has(value, "type")) {
        wf_json_push(list, value);
        wf_json_set(layout, "children", list);
    } else {
        wf_json_set(layout, "children", wf_json_get(value, "children"));
    }
    wf_json_set(screen, "layout", layout);
    list = wf_json_array_make(pool);
    wf_json_push(list, screen);
    wf_json_set(flow, "screens", list);
    return flow;
}

/* `house`: a rule of the file's author that Meta does not have; it warns. */
static void test_document(wf_ctx_t *ctx, const char *name, wf_json_t *flow, const wf_json_t *codes,
                          int house)
{
    wf_issues_t issues;
    size_t len;
    const char *text = wf_json_text(ctx->pool, flow, &len);

    if (!check(ctx, &issues, text, len)) {
        result(0, name, "cannot be checked");
    } else if (house) {
        result(issues.errors == 0 && issues.warnings > 0, name, summary(ctx->pool, &issues));
    } else {
        result(has_code(&issues, codes, WF_ISSUE_ERROR), name,
               apr_psprintf(ctx->pool, "expected one of %s, got %s",
                            codes ? wf_json_text(ctx->pool, codes, NULL) : "any",
                            summary(ctx->pool, &issues)));
    }
}

/* Samples with "..." in them are no JSON, and are refused as such; what they mean is tried in
 * flow_check_test.c. */
static void test_sample(wf_ctx_t *ctx, const char *name, const wf_json_t *sample,
                        const wf_json_t *codes)
{
    const wf_json_t *text = wf_json_get(sample, "text");
    wf_issues_t issues;

    if (wf_json_get_bool(sample, "parses_as_json", 0)) {
        test_document(ctx, name, whole_flow(ctx->pool, wf_json_get(sample, "value")), codes, 0);
    } else {
        result(check(ctx, &issues, wf_json_str(text), wf_json_str_len(text)) && issues.errors > 0,
               name, "taken for JSON");
    }
}

static void test_invalid(wf_ctx_t *ctx, const char *dir, const char *name)
{
    size_t len = 0, i;
    const char *text = read_file(ctx->pool, dir, name, &len);
    wf_json_t *file = NULL, *codes, *samples;
    const char *title = apr_pstrcat(ctx->pool, "invalid: ", name, NULL);

    if (!text || wf_json_parse(ctx, &file, text, len, 0) != WF_OK) {
        result(0, title, "cannot be read");
        return;
    }
    codes = wf_json_get(file, "expected_error_codes");
    codes = codes ? codes : wf_json_get(file, "meta_error_codes");
    if (wf_json_has(file, "flow")) {
        test_document(ctx, title, wf_json_get(file, "flow"), codes,
                      !wf_json_get_bool(file, "corresponds_to_meta_rule", 1));
    }
    samples = wf_json_get(file, "samples");
    for (i = 0; i < wf_json_len(samples); i++) {
        test_sample(ctx, apr_psprintf(ctx->pool, "%s, sample %d", title, (int)i + 1),
                    wf_json_at(samples, i), codes);
    }
}

/* ---- all ---- */

typedef void test_fn(wf_ctx_t *ctx, const char *dir, const char *name);

static void test_folder(apr_pool_t *pool, const char *dir, test_fn *test)
{
    apr_array_header_t *names = json_files(pool, dir);
    apr_pool_t *sub;
    int i;

    if (!names || names->nelts == 0) {
        result(0, dir, "no documents in it");
        return;
    }
    apr_pool_create(&sub, pool);
    for (i = 0; i < names->nelts; i++) {
        test(wf_ctx_make(sub, NULL), dir, APR_ARRAY_IDX(names, i, const char *));
        apr_pool_clear(sub);
    }
}

int main(void)
{
    const char *required = getenv("WF_TEST_REQUIRE");
    apr_pool_t *pool;
    const char *dir;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    dir = corpus_dir(pool);
    if (!json_files(pool, apr_pstrcat(pool, dir, "/flows", NULL)) &&
        !(required && strstr(required, "corpus"))) {
        printf("1..0 # SKIP no corpus at %s\n", dir);
        return EXIT_SUCCESS;
    }
    test_folder(pool, apr_pstrcat(pool, dir, "/flows", NULL), test_valid);
    test_folder(pool, apr_pstrcat(pool, dir, "/flows-invalid", NULL), test_invalid);
    printf("1..%d\n", tests);
    return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
