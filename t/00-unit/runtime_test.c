#include "wf_test.h"

#include "runtime/wf_runtime.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- sources of secrets
 * ----------------------------------------------------------------------------- */

static const char *file_with(const char *text, mode_t mode)
{
    char *path = apr_pstrdup(test_pool, "/tmp/wf-source-XXXXXX");
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    ck_assert_int_eq(chmod(path, mode), 0);
    return path;
}

static wf_status_t read_source(wf_secret_t *out, const char *source)
{
    wf_ctx_clear(test_ctx);
    return wf_source_read(test_ctx, out, source, 0);
}

static wf_status_t read_file(wf_secret_t *out, const char *text, mode_t mode)
{
    const char *path = file_with(text, mode);
    wf_status_t st = read_source(out, apr_pstrcat(test_pool, "file:", path, NULL));

    unlink(path);
    return st;
}

START_TEST(a_files_text_is_read_without_white_space_at_its_end)
{
    wf_secret_t s;

    ck_assert_int_eq(read_file(&s, "  two words \t\r\n\n", 0400), WF_OK);
    ck_assert_str_eq((char *)s.data, "  two words");
    ck_assert_uint_eq(s.len, 11);
    ck_assert_int_eq(read_file(&s, "owner may write", 0600), WF_OK);
}
END_TEST

START_TEST(a_file_that_others_can_read_or_write_is_refused)
{
    static const mode_t modes[] = {0440, 0404, 0420, 0402, 0644};
    wf_secret_t s;
    size_t i;

    for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        ck_assert_int_eq(read_file(&s, "secret", modes[i]), WF_EDENIED);
        ck_assert_ptr_null(s.data);
        ck_assert_ptr_null(strstr(test_ctx->err.detail, "secret\n"));
    }
}
END_TEST

START_TEST(what_is_no_secret_is_refused)
{
    wf_secret_t s;
    char *big = apr_pcalloc(test_pool, 20001);

    memset(big, 'x', 20000);
    ck_assert_int_eq(read_file(&s, big, 0400), WF_EINVALID);
    ck_assert_int_eq(read_file(&s, " \n", 0400), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "file:/tmp"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "file:/nonexistent/secret"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "file:relative"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "just text"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, ""), WF_EINVALID);
    ck_assert_ptr_null(s.data);
}
END_TEST

START_TEST(the_environment_gives_what_is_set)
{
    wf_secret_t s;

    setenv("WF_SOURCE_TEST", "from outside\n", 1);
    ck_assert_int_eq(read_source(&s, "env:WF_SOURCE_TEST"), WF_OK);
    ck_assert_str_eq((char *)s.data, "from outside");
    unsetenv("WF_SOURCE_TEST");
    ck_assert_int_eq(read_source(&s, "env:WF_SOURCE_TEST"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "env:"), WF_EINVALID);
}
END_TEST

START_TEST(a_programs_output_counts_only_if_it_succeeds)
{
    wf_secret_t s;

    ck_assert_int_eq(read_source(&s, "exec:/bin/echo one 'two three'"), WF_OK);
    ck_assert_str_eq((char *)s.data, "one two three");
    ck_assert_int_eq(read_source(&s, "exec:/bin/sh -c 'echo half; exit 3'"), WF_EINVALID);
    ck_assert_ptr_null(s.data);
    ck_assert_ptr_nonnull(strstr(test_ctx->err.detail, "exit code 3"));
    ck_assert_int_eq(read_source(&s, "exec:/nonexistent/program"), WF_EINVALID);
    ck_assert_int_eq(read_source(&s, "exec:/bin/true"), WF_EINVALID);
    ck_assert(wf_source_is_exec("exec:/bin/true"));
    ck_assert(!wf_source_is_exec("file:/bin/true"));
}
END_TEST

START_TEST(text_itself_is_taken_only_where_it_is_allowed)
{
    wf_secret_t s;

    ck_assert_int_eq(wf_source_read(test_ctx, &s, "host=db user=app", 1), WF_OK);
    ck_assert_str_eq((char *)s.data, "host=db user=app");
    ck_assert_ptr_null(wf_source_check(test_pool, "host=db", 1));
    ck_assert_ptr_nonnull(wf_source_check(test_pool, "host=db", 0));
    ck_assert_ptr_nonnull(wf_source_check(test_pool, "", 1));
}
END_TEST

/* ---- metrics
 * ---------------------------------------------------------------------------------------- */

static wf_metrics_t metrics;

static const char *text_of(void)
{
    wf_buf_t buf;

    wf_buf_init(&buf, test_pool, 0, 1 << 20);
    wf_metrics_format(&buf, &metrics);
    ck_assert(!buf.failed);
    return buf.data;
}

static void has_line(const char *line)
{
    const char *all = text_of(), *found = strstr(all, line);

    ck_assert_msg(found && (found == all || found[-1] == '\n') && found[strlen(line)] == '\n',
                  "no line '%s' in:\n%s", line, all);
}

START_TEST(a_request_is_counted_by_route_status_and_time)
{
    memset(&metrics, 0, sizeof(metrics));
    wf_metrics_request(&metrics, WF_ROUTE_ENDPOINT, 200, 1000);
    wf_metrics_request(&metrics, WF_ROUTE_ENDPOINT, 200, 1001);
    wf_metrics_request(&metrics, WF_ROUTE_ENDPOINT, 432, 20 * APR_USEC_PER_SEC);
    wf_metrics_request(&metrics, WF_ROUTE_HEALTH, 418, 0);
    has_line("wflows_requests_total{route=\"endpoint\",status=\"200\"} 2");
    has_line("wflows_requests_total{route=\"endpoint\",status=\"432\"} 1");
    has_line("wflows_requests_total{route=\"health\",status=\"other\"} 1");
    has_line("wflows_request_duration_seconds_bucket{route=\"endpoint\",le=\"0.0005\"} 0");
    has_line("wflows_request_duration_seconds_bucket{route=\"endpoint\",le=\"0.001\"} 1");
    has_line("wflows_request_duration_seconds_bucket{route=\"endpoint\",le=\"0.0025\"} 2");
    has_line("wflows_request_duration_seconds_bucket{route=\"endpoint\",le=\"10\"} 2");
    has_line("wflows_request_duration_seconds_bucket{route=\"endpoint\",le=\"+Inf\"} 3");
    has_line("wflows_request_duration_seconds_count{route=\"endpoint\"} 3");
    has_line("wflows_request_duration_seconds_sum{route=\"endpoint\"} 20.002001");
}
END_TEST

START_TEST(a_strange_route_or_a_clock_set_back_harms_nothing)
{
    memset(&metrics, 0, sizeof(metrics));
    wf_metrics_request(&metrics, (wf_route_t)99, 200, -5);
    has_line("wflows_requests_total{route=\"other\",status=\"200\"} 1");
    has_line("wflows_request_duration_seconds_sum{route=\"other\"} 0.000000");
}
END_TEST

START_TEST(each_counter_has_its_line_and_each_name_one_type)
{
    const char *all, *p;
    int helps = 0, types = 0;

    memset(&metrics, 0, sizeof(metrics));
    wf_metric_add(&metrics, WF_METRIC_CRYPTO_DECRYPT, 7);
    wf_metric_add(&metrics, WF_METRIC_RSA_OPERATIONS, 3);
    has_line("wflows_crypto_failures_total{reason=\"decrypt\"} 7");
    has_line("wflows_rsa_private_operations_total 3");
    all = text_of();
    for (p = all; (p = strstr(p, "# TYPE wflows_crypto_failures_total counter\n")); p++) {
        types++;
    }
    ck_assert_int_eq(types, 1);
    for (p = all; (p = strstr(p, "# HELP ")); p++) {
        const char *end = strchr(p, '\n');

        /* "# HELP name text" */
        ck_assert(end - p > 7 && memchr(p + 7, ' ', (size_t)(end - p - 7)) < (void *)(end - 2));
        helps++;
    }
    ck_assert_int_ge(helps, 12);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime");
    TCase *tc = wf_test_case(s, "source");

    tcase_add_test(tc, a_files_text_is_read_without_white_space_at_its_end);
    tcase_add_test(tc, a_file_that_others_can_read_or_write_is_refused);
    tcase_add_test(tc, what_is_no_secret_is_refused);
    tcase_add_test(tc, the_environment_gives_what_is_set);
    tcase_add_test(tc, a_programs_output_counts_only_if_it_succeeds);
    tcase_add_test(tc, text_itself_is_taken_only_where_it_is_allowed);
    tc = wf_test_case(s, "metrics");
    tcase_add_test(tc, a_request_is_counted_by_route_status_and_time);
    tcase_add_test(tc, a_strange_route_or_a_clock_set_back_harms_nothing);
    tcase_add_test(tc, each_counter_has_its_line_and_each_name_one_type);
    return wf_test_run(s);
}
