#include "../00-unit/wf_test.h"

#include "service/wf_graph.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* The client of Meta's Graph API against t/lib/Wflows/Graph.pm, which runs beside the tests and is
 * told over a pipe what to do: a JSON array of a method and its arguments a line, a line back when
 * it is done. */

#define TOKEN "EAAG-token-0123456789"
#define NUMBER "71000000001"

static const char script[] =
    "my $json = Cpanel::JSON::XS->new->utf8; $| = 1;"
    "my $g = Wflows::Graph->start(dir => $ARGV[0], token => '" TOKEN "');"
    "$g->add_number('" NUMBER "', waba => '10000000001'); print $g->url, qq(\\n);"
    "while (my $line = <STDIN>) { my ($m, @a) = @{ $json->decode($line) }; $g->$m(@a); print "
    "qq(done\\n) }"
    "$g->stop";

static FILE *to_fake, *from_fake;
static char url[256], dir[] = "/tmp/wflows-graph-XXXXXX";
static wf_service_t service;
static wf_graph_t graph;

static pid_t start_fake(void)
{
    const char *src = getenv("WF_SRCDIR");
    char lib[512];
    int in[2], out[2];
    pid_t pid;

    if (!mkdtemp(dir) || pipe(in) != 0 || pipe(out) != 0 || (pid = fork()) < 0) {
        return -1;
    }
    if (pid == 0) {
        setsid(); /* libcheck ends a test's process group */
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[1]);
        close(out[0]);
        snprintf(lib, sizeof(lib), "-I%s/t/lib", src ? src : ".");
        execlp("perl", "perl", lib, "-MCpanel::JSON::XS", "-MWflows::Graph", "-e", script, dir,
               NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_fake = fdopen(in[1], "w");
    from_fake = fdopen(out[0], "r");
    if (!fgets(url, sizeof(url), from_fake)) {
        return -1;
    }
    url[strcspn(url, "\n")] = '\0';
    return pid;
}

static void tell(const char *line)
{
    char back[16];

    fprintf(to_fake, "%s\n", line);
    fflush(to_fake);
    ck_assert_ptr_nonnull(fgets(back, sizeof(back), from_fake));
}

static void setup(void)
{
    static const wf_http_conf_t conf = {.reply_max = 10000};

    wf_test_setup();
    ck_assert_int_eq(wf_http_make(test_ctx, &service.http, test_pool, &conf), WF_OK);
    service.conf.graph_url = url;
    graph = (wf_graph_t){.service = &service, .token = TOKEN};
}

/* The number's node, asked for after Meta was told to fail so. */
static wf_status_t ask(const char *how)
{
    wf_json_t *doc;
    wf_status_t st;

    tell(apr_psprintf(test_pool, "[\"fail\", \"number_read\"%s%s]", *how ? ", " : "", how));
    wf_ctx_clear(test_ctx);
    st = wf_graph_get(test_ctx, &doc, &graph, "/" NUMBER "?fields=id");
    tell("[\"fail\", \"number_read\"]");
    return st;
}

#define REFUSED(how, status, word, unsure)                                     \
    do {                                                                       \
        ck_assert_int_eq(ask(how), status);                                    \
        ck_assert_str_eq(test_ctx->err.code ? test_ctx->err.code : "-", word); \
        ck_assert_int_eq(graph.is_unsure, unsure);                             \
    } while (0)

START_TEST(each_error_of_metas_has_its_status_and_word)
{
    ck_assert_int_eq(ask(""), WF_OK);
    REFUSED("\"code\", 190", WF_ECONFLICT, "meta_token_invalid", 0);
    REFUSED("\"code\", 0", WF_ECONFLICT, "meta_token_invalid", 0);
    REFUSED("\"code\", 10", WF_ECONFLICT, "meta_permission_missing", 0);
    REFUSED("\"code\", 299", WF_ECONFLICT, "meta_permission_missing", 0);
    REFUSED("\"code\", 100", WF_EINVALID, "meta_invalid_request", 0);
    REFUSED("\"code\", 132012", WF_EINVALID, "meta_invalid_request", 0);
    REFUSED("\"code\", 80007", WF_EUNAVAIL, "meta_rate_limited", 0);
    REFUSED("\"code\", 132069", WF_EUNAVAIL, "meta_rate_limited", 0);
    REFUSED("\"code\", 2", WF_EUNAVAIL, "meta_unavailable", 1);
    REFUSED("\"code\", 131000", WF_EUNAVAIL, "meta_unavailable", 1);
    REFUSED("\"code\", 131047", WF_ECONFLICT, "outside_customer_window", 0);
    REFUSED("\"code\", 132068", WF_ECONFLICT, "flow_blocked", 0);
    REFUSED("\"code\", 139002", WF_ECONFLICT, "meta_flow_refused", 0);
    REFUSED("\"code\", 999999", WF_ECONFLICT, "meta_refused", 0);
    REFUSED("\"code\", 999999, \"status\", 500", WF_EUNAVAIL, "meta_unavailable", 1);
    REFUSED("\"code\", 100, \"transient\", 1", WF_EUNAVAIL, "meta_unavailable", 0);
    REFUSED("\"body\", \"<html>\", \"status\", 502", WF_EUNAVAIL, "meta_unavailable", 1);
    REFUSED("\"body\", \"[]\", \"status\", 200", WF_EUNAVAIL, "meta_unavailable", 1);
    REFUSED("\"body\", \"{}\", \"status\", 404", WF_ECONFLICT, "meta_refused", 0);
    REFUSED("\"body\", \"{}\", \"status\", 429", WF_EUNAVAIL, "meta_rate_limited", 0);
    REFUSED("\"drop\", 1", WF_EUNAVAIL, "meta_unavailable", 1);
}
END_TEST

START_TEST(the_words_for_people_go_before_the_details_and_those_before_the_message)
{
    ck_assert_int_eq(
        ask("\"code\", 100, \"message\", \"m\", \"details\", \"d\", \"user_msg\", \"u\""),
        WF_EINVALID);
    ck_assert_str_eq(test_ctx->err.public_text, "Meta: u (code 100)");
    ck_assert_int_eq(ask("\"code\", 100, \"message\", \"m\", \"details\", \"d\""), WF_EINVALID);
    ck_assert_str_eq(test_ctx->err.public_text, "Meta: d (code 100)");
    ck_assert_int_eq(ask("\"code\", 100, \"message\", \"m\\nn " TOKEN " and " TOKEN "\""),
                     WF_EINVALID);
    ck_assert_str_eq(test_ctx->err.public_text, "Meta: m n [redacted] and [redacted] (code 100)");
    ck_assert_ptr_null(strstr(test_ctx->err.detail, "m n"));
    ck_assert_int_eq(ask(apr_psprintf(test_pool, "\"code\", 100, \"message\", \"%0900d\"", 7)),
                     WF_EINVALID);
    ck_assert_uint_lt(strlen(test_ctx->err.public_text), 450);
}
END_TEST

START_TEST(a_reply_is_bounded)
{
    ck_assert_int_eq(ask(apr_psprintf(test_pool, "\"body\", \"{\\\"id\\\":\\\"%011000d\\\"}\"", 7)),
                     WF_EUNAVAIL);
    ck_assert_str_eq(test_ctx->err.code, "meta_unavailable");
}
END_TEST

START_TEST(a_server_that_is_not_there_did_nothing_for_sure)
{
    wf_json_t *doc;

    service.conf.graph_url = "http://127.0.0.1:1/v23.0";
    ck_assert_int_eq(wf_graph_get(test_ctx, &doc, &graph, "/" NUMBER), WF_EUNAVAIL);
    ck_assert_int_eq(graph.is_unsure, 0);
    ck_assert_str_eq(test_ctx->err.public_text, "Meta's Graph API does not answer");
}
END_TEST

START_TEST(loopback_is_for_the_operators_url_and_no_other)
{
    wf_http_request_t request = {.method = "GET", .url = url, .timeout = apr_time_from_sec(5)};
    wf_http_reply_t reply;

    ck_assert_int_eq(wf_http_send(test_ctx, &reply, service.http, &request), WF_EDENIED);
    ck_assert_int_eq(ask(""), WF_OK);
}
END_TEST

START_TEST(a_key_is_uploaded_and_read_back_in_both_of_metas_forms)
{
    wf_rsa_key_t *key, *other;
    wf_graph_key_t got;
    const char *pem, *other_pem;

    ck_assert_int_eq(wf_rsa_generate(test_ctx, &key), WF_OK);
    ck_assert_int_eq(wf_rsa_generate(test_ctx, &other), WF_OK);
    ck_assert_int_eq(wf_rsa_public_pem(test_ctx, &pem, key), WF_OK);
    ck_assert_int_eq(wf_rsa_public_pem(test_ctx, &other_pem, other), WF_OK);
    ck_assert_int_eq(wf_graph_key_upload(test_ctx, &graph, NUMBER, "no key"), WF_EINVALID);
    wf_ctx_clear(test_ctx);
    ck_assert_int_eq(wf_graph_key_upload(test_ctx, &graph, NUMBER, pem), WF_OK);
    ck_assert_int_eq(wf_graph_key_read(test_ctx, &got, &graph, NUMBER), WF_OK);
    ck_assert_str_eq(got.status, "VALID");
    ck_assert(wf_rsa_public_equal(got.pem, pem));
    ck_assert(!wf_rsa_public_equal(got.pem, other_pem));
    ck_assert(!wf_rsa_public_equal(NULL, NULL));
    tell("[\"fail\", \"key_read\", \"body\", \"{\\\"business_public_key\\\":\\\"x\\\"}\"]");
    ck_assert_int_eq(wf_graph_key_read(test_ctx, &got, &graph, NUMBER), WF_OK);
    ck_assert_str_eq(got.pem, "x");
    ck_assert_str_eq(got.status, "");
    tell("[\"fail\", \"key_read\"]");
}
END_TEST

START_TEST(ids_and_values_are_fit_for_a_path)
{
    ck_assert(wf_graph_is_id("12345") && wf_graph_is_id("12345678901234567890"));
    ck_assert(!wf_graph_is_id("1234") && !wf_graph_is_id("123456789012345678901") &&
              !wf_graph_is_id("12345/x") && !wf_graph_is_id("") && !wf_graph_is_id(NULL));
    ck_assert_str_eq(wf_graph_escape(test_pool, "a|b &=\xc3\xa9-._~"), "a%7Cb%20%26%3D%C3%A9-._~");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    pid_t pid = start_fake();
    int rc;

    if (pid < 0) {
        fputs("Bail out! the stand-in for Meta does not start\n", stdout);
        return EXIT_FAILURE;
    }
    tcase_add_checked_fixture(tc, setup, wf_test_teardown);
    tcase_set_timeout(tc, 60);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, each_error_of_metas_has_its_status_and_word);
    tcase_add_test(tc, the_words_for_people_go_before_the_details_and_those_before_the_message);
    tcase_add_test(tc, a_reply_is_bounded);
    tcase_add_test(tc, a_server_that_is_not_there_did_nothing_for_sure);
    tcase_add_test(tc, loopback_is_for_the_operators_url_and_no_other);
    tcase_add_test(tc, a_key_is_uploaded_and_read_back_in_both_of_metas_forms);
    tcase_add_test(tc, ids_and_values_are_fit_for_a_path);
    rc = wf_test_run(suite);
    fclose(to_fake);
    waitpid(pid, NULL, 0);
    if ((pid = fork()) == 0) {
        execlp("rm", "rm", "-rf", dir, NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
    return rc;
}
