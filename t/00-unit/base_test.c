#include "wf_test.h"

#include <string.h>

START_TEST(base64_accepts_missing_padding_and_refuses_other_characters)
{
    unsigned char out[64];
    size_t len;

    ck_assert(wf_base64_decode(out, &len, "aGVsbG8=", 8) && len == 5 && !memcmp(out, "hello", 5));
    ck_assert(wf_base64_decode(out, &len, "aGVsbG8", 7) && len == 5);
    ck_assert(!wf_base64_decode(out, &len, "aGVs bG8", 8));
    ck_assert(!wf_base64_decode(out, &len, "aGVs\nbG8", 8));
    ck_assert(!wf_base64_decode(out, &len, "aGVs-_8", 7));
    ck_assert(!wf_base64_decode(out, &len, "aGVsb", 5));
    ck_assert(wf_base64_decode(out, &len, "", 0) && len == 0);
    ck_assert_str_eq(wf_base64(test_pool, "hello", 5), "aGVsbG8=");
    ck_assert_str_eq(wf_base64url(test_pool, "\xfb\xff", 2), "-_8");
}
END_TEST

START_TEST(base64_goes_both_ways_for_every_length_and_byte)
{
    unsigned char in[256], out[WF_BASE64_MAX(WF_BASE64_LEN(256))];
    size_t len, n;

    for (n = 0; n < sizeof(in); n++) {
        in[n] = (unsigned char)(n * 7 + 1);
    }
    for (n = 0; n <= sizeof(in); n++) {
        const char *standard = wf_base64(test_pool, in, n), *url = wf_base64url(test_pool, in, n);
        ck_assert(wf_base64_decode(out, &len, standard, strlen(standard)));
        ck_assert(len == n && memcmp(in, out, n) == 0);
        ck_assert(wf_base64url_decode(out, &len, url, strlen(url)));
        ck_assert(len == n && memcmp(in, out, n) == 0);
    }
    for (n = 1; n < 256; n++) {
        char text[4] = {'A', 'A', 'A', (char)n};
        int known = strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", (int)n) != NULL;
        ck_assert_int_eq(wf_base64_decode(out, &len, text, 4), known);
    }
}
END_TEST

START_TEST(a_slug_is_what_the_design_says)
{
    ck_assert(wf_slug_is("a"));
    ck_assert(!wf_slug_is("ab"));
    ck_assert(wf_slug_is("acme"));
    ck_assert(wf_slug_is("a-1"));
    ck_assert(!wf_slug_is("-ab"));
    ck_assert(!wf_slug_is("ab-"));
    ck_assert(!wf_slug_is("Acme"));
    ck_assert(!wf_slug_is(""));
    ck_assert(!wf_slug_is("a_b"));
    ck_assert(wf_slug_is("a23456789012345678901234567890123456789012345678901234567890123"));
    ck_assert(!wf_slug_is("a234567890123456789012345678901234567890123456789012345678901234"));
}
END_TEST

START_TEST(a_buffer_refuses_to_grow_past_its_maximum_and_says_so_once)
{
    wf_buf_t b;

    wf_buf_init(&b, test_pool, 2, 8);
    wf_buf_puts(&b, "12345678");
    ck_assert(!b.failed);
    wf_buf_putc(&b, 'x');
    ck_assert(b.failed);
    ck_assert_str_eq(b.data, "12345678");
}
END_TEST

START_TEST(utf8_refuses_overlong_forms_surrogates_and_nul)
{
    ck_assert(wf_utf8_is("às", 3));
    ck_assert(wf_utf8_is("\xf0\x9f\x98\x80", 4));
    ck_assert(!wf_utf8_is("\xc0\x80", 2));
    ck_assert(!wf_utf8_is("\xed\xa0\x80", 3));
    ck_assert(!wf_utf8_is("a\0b", 3));
    ck_assert(!wf_utf8_is("\xe2\x82", 2));
    ck_assert_uint_eq(wf_utf8_count("às", 3), 2);
}
END_TEST

START_TEST(urls_that_parsers_could_read_differently_are_refused)
{
    static const char *const bad[] = {"",
                                      "example.com",
                                      "ftp://example.com/",
                                      "file:///etc/passwd",
                                      "gopher://x/",
                                      "http:/example.com",
                                      "http://",
                                      "http:///path",
                                      "https://user@example.com/",
                                      "https://user:pw@example.com/",
                                      "https://@example.com/",
                                      "https://example.com@evil.example/",
                                      "https://exa mple.com/",
                                      "https://example.com/a b",
                                      "https://example.com\\@evil.example/",
                                      "https://example.com/\r\nX: y",
                                      "https://example.com:0/",
                                      "https://example.com:65536/",
                                      "https://example.com:x/",
                                      "https://example.com:/",
                                      "https://example.com:+80/",
                                      "https://example.com:000080/",
                                      "https://:80/",
                                      "https://%65xample.com/",
                                      "https://exämple.com/",
                                      "https://example.com/{a}",
                                      "https://example.com[::1]/",
                                      "http://[]/",
                                      "http://[::1]x/",
                                      "http://[::1/]",
                                      "http://[fe80::1%25eth0]/",
                                      "http://[::1/",
                                      "javascript:alert(1)",
                                      "unix:///run/x.sock"};
    static const char *const good[] = {"http://example.com",
                                       "https://example.com/a?b=c@d#e",
                                       "HTTPS://Example.COM:8443/%20",
                                       "http://127.0.0.1:8080/x",
                                       "http://[::1]:80/",
                                       "https://exemplo.com.br/caf%C3%A9"};
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(wf_url_fault(bad[i]) != NULL, "%s", bad[i]);
    }
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const char *fault = wf_url_fault(good[i]);
        ck_assert_msg(fault == NULL, "%s: %s", good[i], fault);
    }
    ck_assert_ptr_nonnull(wf_url_fault(NULL));
    {
        char *longer = apr_pcalloc(test_pool, 5001);
        memset(longer, 'a', 5000);
        memcpy(longer, "http://x/", 9);
        ck_assert_ptr_nonnull(wf_url_fault(longer));
    }
}
END_TEST

static int is_slice(wf_slice_t slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

START_TEST(a_url_is_split_and_nothing_is_told_of_a_bad_one)
{
    wf_url_t u;

    ck_assert_ptr_null(wf_url_split(&u, "HTTPS://Example.com:8443/a?b#c"));
    ck_assert(u.is_https && is_slice(u.host, "Example.com") && is_slice(u.port, "8443"));
    ck_assert_str_eq(u.rest, "/a?b#c");
    ck_assert_ptr_null(wf_url_split(&u, "http://[::1]"));
    ck_assert(!u.is_https && is_slice(u.host, "[::1]") && u.port.len == 0);
    ck_assert_str_eq(u.rest, "");
    ck_assert_ptr_null(wf_url_split(&u, "http://a#.b.example"));
    ck_assert(is_slice(u.host, "a"));
    ck_assert_ptr_nonnull(wf_url_split(&u, "https://example.com:65536/"));
    ck_assert(!u.is_https && !u.host.data && !u.port.data && !u.rest);
}
END_TEST

START_TEST(uuids_go_to_bytes_and_back_and_v7_sorts_by_time)
{
    char a[WF_UUID_LEN + 1], b[WF_UUID_LEN + 1], c[WF_UUID_LEN + 1];
    unsigned char bytes[16];

    ck_assert_int_eq(wf_uuid_v7(test_ctx, a), WF_OK);
    apr_sleep(2000);
    ck_assert_int_eq(wf_uuid_v7(test_ctx, b), WF_OK);
    ck_assert(strcmp(a, b) < 0);
    ck_assert(wf_uuid_decode(bytes, a));
    wf_uuid_encode(c, bytes);
    ck_assert_str_eq(a, c);
    ck_assert(!wf_uuid_is("0190163d-8694-739b-aea5-966c26f8ad9"));
    ck_assert(!wf_uuid_is("0190163d_8694-739b-aea5-966c26f8ad91"));
    ck_assert(!wf_uuid_is(NULL));
}
END_TEST

START_TEST(the_first_failure_is_kept_and_its_public_text_has_no_number)
{
    ck_assert_int_eq(wf_fail_public(test_ctx, WF_EINVALID, WFLOGNO(0002) "name: too long"),
                     WF_EINVALID);
    ck_assert_int_eq(wf_fail(test_ctx, WF_EINTERNAL, "WF0003: later"), WF_EINTERNAL);
    ck_assert_int_eq(test_ctx->err.status, WF_EINVALID);
    ck_assert_str_eq(test_ctx->err.detail, "WF0002: name: too long");
    ck_assert_str_eq(test_ctx->err.public_text, "name: too long");
}
END_TEST

START_TEST(times_are_dates_or_rfc_3339_and_nothing_else)
{
    static const char *const bad[] = {"", "2026", "2026-3-1", "2026-02-29", "2026-13-01", "2026-00-10",
                                      "2026-03-01T10:20:30", "2026-03-01T24:00:00Z", "2026-03-01T10:20",
                                      "2026-03-01T10:60Z", "2026-03-01T10:20:Z", "2026-03-01T10:20.5Z",
                                      "2026-03-01T10Z", "2026-03-01T10:20:60Z", "2026-03-01T10:20:30.Z", "2026-03-01T10:20:30+2:00", "2026-03-01 ",
                                      "2026-03-01T10:20:30Zx", "1969-12-31", "x2026-03-01"};
    apr_time_t t;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ck_assert_msg(!wf_time_parse(&t, bad[i]), "%s", bad[i]);
    }
    ck_assert(wf_time_parse(&t, "1970-01-01") && t == 0);
    ck_assert(wf_time_parse(&t, "2024-02-29") && t == apr_time_from_sec(1709164800));
    ck_assert(wf_time_parse(&t, "2026-03-01T10:20:30Z") && t == apr_time_from_sec(1772360430));
    ck_assert(wf_time_parse(&t, "2026-03-01T10:20Z") && t == apr_time_from_sec(1772360400));
    ck_assert(wf_time_parse(&t, "2026-03-01T07:20-03:00") && t == apr_time_from_sec(1772360400));
    ck_assert(wf_time_parse(&t, "2026-03-01T10:20:30.1234567Z") &&
              t == apr_time_from_sec(1772360430) + 123456);
    ck_assert(wf_time_parse(&t, "2026-03-01T07:20:30-03:00") && t == apr_time_from_sec(1772360430));
}
END_TEST

START_TEST(faults_are_kept_one_by_one_and_told_together)
{
    int i;

    ck_assert(!wf_has_faults(test_ctx));
    wf_fault_add(test_ctx, "/slug", "%s expected", "a word");
    wf_fault_add(test_ctx, "", "a member is not known");
    ck_assert(wf_has_faults(test_ctx));
    ck_assert_str_eq(wf_faults_text(test_ctx), "slug: a word expected; a member is not known");
    for (i = 0; i < 2 * WF_FAULTS_MAX; i++) {
        wf_fault_add(test_ctx, "/x", "y");
    }
    ck_assert_int_eq(test_ctx->err.faults->nelts, WF_FAULTS_MAX);
    wf_ctx_clear(test_ctx);
    ck_assert(!wf_has_faults(test_ctx));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *tc = wf_test_case(s, "base");

    tcase_add_test(tc, base64_accepts_missing_padding_and_refuses_other_characters);
    tcase_add_test(tc, base64_goes_both_ways_for_every_length_and_byte);
    tcase_add_test(tc, a_slug_is_what_the_design_says);
    tcase_add_test(tc, a_buffer_refuses_to_grow_past_its_maximum_and_says_so_once);
    tcase_add_test(tc, utf8_refuses_overlong_forms_surrogates_and_nul);
    tcase_add_test(tc, urls_that_parsers_could_read_differently_are_refused);
    tcase_add_test(tc, a_url_is_split_and_nothing_is_told_of_a_bad_one);
    tcase_add_test(tc, times_are_dates_or_rfc_3339_and_nothing_else);
    tcase_add_test(tc, faults_are_kept_one_by_one_and_told_together);
    tcase_add_test(tc, uuids_go_to_bytes_and_back_and_v7_sorts_by_time);
    tcase_add_test(tc, the_first_failure_is_kept_and_its_public_text_has_no_number);
    return wf_test_run(s);
}
