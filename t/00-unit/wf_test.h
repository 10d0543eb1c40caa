/* What every unit test program shares: a pool and context per test, a TAP runner. */
#ifndef WF_TEST_H
#define WF_TEST_H

#include "base/wf_base.h"

#include <check.h>
#include <stdlib.h>

static apr_pool_t *test_pool;
static wf_ctx_t *test_ctx;

static inline void wf_test_setup(void)
{
    apr_pool_create(&test_pool, NULL);
    test_ctx = wf_ctx_make(test_pool, NULL);
}

static inline void wf_test_teardown(void)
{
    apr_pool_destroy(test_pool);
}

/* Runs a suite with one TCase per group; TAP goes to standard output, where prove reads it. */
static inline int wf_test_run(Suite *suite)
{
    SRunner *runner;

    apr_initialize();
    runner = srunner_create(suite);
    srunner_set_tap(runner, "-");
    srunner_run_all(runner, CK_SILENT);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A TCase whose tests each get a fresh pool and context. */
static inline TCase *wf_test_case(Suite *suite, const char *name)
{
    TCase *tc = tcase_create(name);

    tcase_add_checked_fixture(tc, wf_test_setup, wf_test_teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    return tc;
}

#endif
