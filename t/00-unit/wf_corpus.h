/* The shared corpus (STYLE.md 3.7): tests that use it are skipped where it is not at hand, unless
 * WF_TEST_REQUIRE names "corpus". */
#ifndef WF_CORPUS_H
#define WF_CORPUS_H

#include "json/wf_json.h"
#include "wf_test.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <stdio.h>
#include <string.h>

static inline const char *wf_corpus_dir(void)
{
    const char *dir = getenv("WFLOWS_CORPUS");
    const char *require = getenv("WF_TEST_REQUIRE");

    if ((!dir || !*dir) && require && strstr(require, "corpus")) {
        ck_abort_msg("WF_TEST_REQUIRE names the corpus, but WFLOWS_CORPUS is not set");
    }
    return dir && *dir ? dir : NULL;
}

static inline wf_json_t *wf_corpus_read(const char *path)
{
    apr_file_t *file;
    apr_finfo_t info;
    wf_json_t *doc;
    char *text;

    ck_assert_int_eq(apr_file_open(&file, path, APR_READ, 0, test_pool), APR_SUCCESS);
    ck_assert_int_eq(apr_file_info_get(&info, APR_FINFO_SIZE, file), APR_SUCCESS);
    text = apr_palloc(test_pool, (apr_size_t)info.size + 1);
    ck_assert_int_eq(apr_file_read_full(file, text, (apr_size_t)info.size, NULL), APR_SUCCESS);
    apr_file_close(file);
    ck_assert_int_eq(wf_json_parse(test_ctx, &doc, text, (size_t)info.size, 0), WF_OK);
    return doc;
}

/* Calls `each` for every JSON document of a folder of the corpus; returns how many there were. */
static inline int wf_corpus_each(const char *folder, void (*each)(const char *name, wf_json_t *doc))
{
    const char *root = wf_corpus_dir();
    apr_finfo_t info;
    apr_dir_t *dir;
    int count = 0;

    if (!root) {
        fprintf(stderr, "# skipped: WFLOWS_CORPUS is not set\n");
        return 0;
    }
    folder = apr_pstrcat(test_pool, root, "/", folder, NULL);
    ck_assert_int_eq(apr_dir_open(&dir, folder, test_pool), APR_SUCCESS);
    while (apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        size_t len = strlen(info.name);
        if (len > 5 && strcmp(info.name + len - 5, ".json") == 0) {
            const char *name = apr_pstrdup(test_pool, info.name);
            each(name, wf_corpus_read(apr_pstrcat(test_pool, folder, "/", name, NULL)));
            count++;
        }
    }
    apr_dir_close(dir);
    ck_assert_int_gt(count, 0);
    return count;
}

#endif
