#include "tenant/wf_route.h"
#include "wf_test.h"

#include <string.h>

#define ID "0190163d-8694-739b-aea5-966c26f8ad91"

START_TEST(a_path_finds_its_route_and_its_parameters)
{
    wf_api_match_t match;

    ck_assert(wf_api_route_find(&match, "/companies"));
    ck_assert_int_eq(match.id[WF_GET], WF_API_ROUTE_company_list);
    ck_assert_int_eq(match.param_count, 0);
    ck_assert(wf_api_route_find(&match, "/companies/" ID));
    ck_assert_int_eq(match.id[WF_GET], WF_API_ROUTE_company_get);
    ck_assert_int_eq(match.param_count, 1);
    ck_assert_int_eq((int)match.params[0].len, WF_UUID_LEN);
}
END_TEST

START_TEST(other_paths_have_no_route)
{
    wf_api_match_t match;

    ck_assert(!wf_api_route_find(&match, ""));
    ck_assert(!wf_api_route_find(&match, "/"));
    ck_assert(!wf_api_route_find(&match, "/companies/"));
    ck_assert(!wf_api_route_find(&match, "//companies"));
    ck_assert(!wf_api_route_find(&match, "/company"));
    ck_assert(!wf_api_route_find(&match, "/companiesx"));
    ck_assert(!wf_api_route_find(&match, "/companies/" ID "/"));
    ck_assert(!wf_api_route_find(&match, "/companies//x"));
    ck_assert(!wf_api_route_find(&match, "/COMPANIES"));
}
END_TEST

/* The table itself: two rows of one method and path would make the second one unreachable. */
START_TEST(each_row_is_found_by_its_own_path)
{
    int id;

    for (id = 0; id < WF_API_ROUTE_COUNT; id++) {
        const wf_api_route_t *route = wf_api_route((wf_api_route_id_t)id);
        char path[256];
        size_t n = 0;
        const char *p;
        wf_api_match_t match;

        for (p = route->path; *p; p++) {
            if (*p == '{') {
                memcpy(path + n, ID, WF_UUID_LEN);
                n += WF_UUID_LEN;
                p = strchr(p, '}');
            } else {
                path[n++] = *p;
            }
        }
        path[n] = '\0';
        ck_assert_msg(wf_api_route_find(&match, path), "%s", route->name);
        ck_assert_msg(match.id[route->method] == id, "%s", route->name);
    }
}
END_TEST

START_TEST(a_role_may_what_the_lower_ones_may)
{
    wf_identity_t who = {.kind = WF_IDENTITY_USER, .role = WF_ROLE_GESTOR};

    ck_assert(wf_identity_may(&who, WF_ROLE_LEITURA, 0));
    ck_assert(wf_identity_may(&who, WF_ROLE_GESTOR, 0));
    ck_assert(!wf_identity_may(&who, WF_ROLE_ADMIN, WF_READ(WF_AREA_FLOWS)));
    who.role = WF_ROLE_NONE;
    ck_assert(!wf_identity_may(&who, WF_ROLE_NONE, 0));
    ck_assert_int_eq(wf_role_parse("platform_admin"), WF_ROLE_PLATFORM_ADMIN);
    ck_assert_int_eq(wf_role_parse("none"), WF_ROLE_NONE);
    ck_assert_int_eq(wf_role_parse("ADMIN"), WF_ROLE_NONE);
    ck_assert_int_eq(wf_role_parse(NULL), WF_ROLE_NONE);
}
END_TEST

START_TEST(a_key_may_what_its_scopes_say_and_roles_do_not_matter)
{
    wf_identity_t who = {.kind = WF_IDENTITY_KEY,
                         .role = WF_ROLE_PLATFORM_ADMIN,
                         .scopes = WF_READ(WF_AREA_FLOWS) | WF_WRITE(WF_AREA_MESSAGES)};

    ck_assert(wf_identity_may(&who, WF_ROLE_ADMIN, WF_READ(WF_AREA_FLOWS)));
    ck_assert(!wf_identity_may(&who, WF_ROLE_LEITURA, WF_WRITE(WF_AREA_FLOWS)));
    ck_assert(!wf_identity_may(&who, WF_ROLE_LEITURA,
                               WF_READ(WF_AREA_FLOWS) | WF_READ(WF_AREA_AUDIT)));
    ck_assert(!wf_identity_may(&who, WF_ROLE_LEITURA, 0));
}
END_TEST

START_TEST(a_company_is_seen_by_its_own_and_by_the_platform)
{
    wf_identity_t own = {.kind = WF_IDENTITY_USER, .role = WF_ROLE_ADMIN, .company_id = ID};
    wf_identity_t platform = {.kind = WF_IDENTITY_USER, .role = WF_ROLE_PLATFORM_ADMIN};
    wf_identity_t nobody = {.kind = WF_IDENTITY_USER, .role = WF_ROLE_ADMIN};
    const char *other = "0190163d-8694-739b-aea5-966c26f8ad92";

    ck_assert(wf_identity_sees_company(&own, ID));
    ck_assert(!wf_identity_sees_company(&own, other));
    ck_assert(!wf_identity_sees_company(&own, NULL));
    ck_assert(wf_identity_sees_company(&platform, other));
    ck_assert(!wf_identity_sees_company(&nobody, ID));
}
END_TEST

START_TEST(a_scope_has_one_name)
{
    unsigned bit;

    for (bit = 0; bit < 2 * WF_AREA_COUNT; bit++) {
        ck_assert(wf_scope_parse(wf_scope_name(test_ctx->pool, bit)) == (wf_scopes_t)1 << bit);
    }
    ck_assert(!wf_scope_parse("read:"));
    ck_assert(!wf_scope_parse("flows"));
    ck_assert(!wf_scope_parse("re:flows"));
    ck_assert(!wf_scope_parse("write:everything"));
    ck_assert(!wf_scope_parse(NULL));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("route");
    TCase *tc = wf_test_case(s, "route");

    tcase_add_test(tc, a_path_finds_its_route_and_its_parameters);
    tcase_add_test(tc, other_paths_have_no_route);
    tcase_add_test(tc, each_row_is_found_by_its_own_path);
    tcase_add_test(tc, a_role_may_what_the_lower_ones_may);
    tcase_add_test(tc, a_key_may_what_its_scopes_say_and_roles_do_not_matter);
    tcase_add_test(tc, a_company_is_seen_by_its_own_and_by_the_platform);
    tcase_add_test(tc, a_scope_has_one_name);
    return wf_test_run(s);
}
