/* Small flows to try the Flow JSON check on, and the comparison with what is expected of them.
 * In fixtures ' stands for " and ^ for '. */
#ifndef WF_FLOW_CHECK_FIXTURE_H
#define WF_FLOW_CHECK_FIXTURE_H

#include "flow/wf_flow.h"
#include "wf_test.h"

#include <string.h>

#define FOOTER "{'type':'Footer','label':'Go','on-click-action':{'name':'complete','payload':{}}}"
#define TO(screen, payload)                                                                       \
    "{'type':'Footer','label':'Go','on-click-action':{'name':'navigate','next':{'type':'screen'," \
    "'name':'" screen "'},'payload':" payload "}}"
#define EXCHANGE(payload)                                                                        \
    "{'type':'Footer','label':'Go','on-click-action':{'name':'data_exchange','payload':" payload \
    "}}"
#define LAYOUT(children) "'layout':{'type':'SingleColumnLayout','children':[" children "]}"
#define SCREEN(id, members, children) "{'id':'" id "','title':'T'," members LAYOUT(children) "}"
#define LAST(id, members, children) SCREEN(id, "'terminal':true," members, children)
#define FLOW(version, members, screens) \
    "{'version':'" version "'," members "'screens':[" screens "]}"
/* One terminal screen. The first component is /screens/0/layout/children/0. */
#define ONE(version, members, children) FLOW(version, "", LAST("A", members, children))
#define SHOW(children) ONE("7.3", "", children "," FOOTER)
#define AT0 "/screens/0/layout/children/0"
#define ENDPOINT(routes) "'data_api_version':'3.0','routing_model':" routes ","
#define OPTIONS "'data-source':[{'id':'1','title':'One'},{'id':'2','title':'Two'}]"

typedef struct {
    const char *rule; /* of WHATSAPP.md 2.9 */
    const char *flow;
    const char *issues; /* all of them, in order of place: "E CODE /pointer", one a line */
} flow_case_t;

static inline char *flow_text(const char *fixture)
{
    char *text = apr_pstrdup(test_pool, fixture);
    char *p;

    for (p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p == '^' ? '\'' : *p;
    }
    return text;
}

static inline const char *flow_issues_text(const wf_issues_t *issues)
{
    const char *text = "";
    int i;

    for (i = 0; i < issues->issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(issues->issues, i, wf_issue_t);
        text =
            apr_psprintf(test_pool, "%s%s%s %s %s", text, *text ? "\n" : "",
                         issue->level == WF_ISSUE_ERROR ? "E" : "W", issue->error, issue->pointer);
    }
    return text;
}

static inline void flow_check_text(wf_issues_t *issues, const char *text)
{
    wf_json_t *doc;

    ck_assert_int_eq(wf_flow_check(test_ctx, issues, &doc, text, strlen(text)), WF_OK);
}

/* Exactly these issues, each with a message, both forms of its place, and the span that a second
 * implementation finds. */
static inline void flow_expect(const flow_case_t *c)
{
    const char *text = flow_text(c->flow);
    wf_issues_t issues;
    int i;

    flow_check_text(&issues, text);
    ck_assert_msg(strcmp(flow_issues_text(&issues), c->issues) == 0,
                  "rule %s: expected\n%s\nbut got\n%s\nof %s", c->rule, c->issues,
                  flow_issues_text(&issues), text);
    for (i = 0; i < issues.issues->nelts; i++) {
        const wf_issue_t *issue = &APR_ARRAY_IDX(issues.issues, i, wf_issue_t);
        wf_json_span_t span;
        ck_assert(*issue->message != '\0');
        ck_assert(wf_json_locate(&span, text, strlen(text), issue->pointer));
        ck_assert(memcmp(&span, &issue->span, sizeof(span)) == 0);
    }
}

#define FLOW_CASES(tc, cases) \
    tcase_add_loop_test(tc, cases##_are_as_expected, 0, (int)(sizeof(cases) / sizeof(cases[0])))
#define FLOW_CASES_TEST(cases)          \
    START_TEST(cases##_are_as_expected) \
    {                                   \
        flow_expect(&cases[_i]);        \
    }                                   \
    END_TEST

#endif
