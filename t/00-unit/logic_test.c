#include "flow/wf_engine_int.h"
#include "wf_flow_drive.h"

/* ---- ${...} ---- */

static const char *const plain = "{'screens':[{'id':'A'}]}";

static wf_scope_t scope_of(const char *logic)
{
    drive_t *d = drive_make(plain, logic);
    wf_scope_t scope;

    memset(&scope, 0, sizeof(scope));
    scope.ctx = test_ctx;
    scope.plan = d->plan;
    scope.data = drive_json("{'name':'Ana','n':3,'list':['a','b'],'o':{'x':[{'y':1}]},'nil':null,"
                            "'t':true,'e':''}");
    scope.session = drive_json("{'total':1.5}");
    scope.company = drive_json("{'id':'c1','slug':'acme','settings':{'lang':'pt'}}");
    scope.flow_name = "booking";
    scope.flow_token = "tok";
    scope.flow_version = 4;
    return scope;
}

START_TEST(references_are_replaced)
{
    static const struct {
        const char *in, *out;
    } rows[] = {
        {"'plain $ {x} text'", "'plain $ {x} text'"},
        {"'Ola ${data.name}!'", "'Ola Ana!'"},
        {"'${data.name}'", "'Ana'"},
        {"'${data.n}'", "3"},
        {"'${data.t}'", "true"},
        {"'${data.list}'", "['a','b']"},
        {"'${data.list.1}'", "'b'"},
        {"'${data.o.x.0.y}'", "1"},
        {"'${data.e}'", "''"},
        {"'x${data.n}${data.t}'", "'x3true'"},
        {"' ${data.n}'", "' 3'"},
        {"'${data.list}: ${data.o}'", "'a, b: {\\\"x\\\":[{\\\"y\\\":1}]}'"},
        {"'[${data.no}${data.nil}]'", "'[]'"},
        {"'${session.total} ${flow.name} ${flow.version} ${flow.token}'", "'1.5 booking 4 tok'"},
        {"'${company.slug} ${company.settings.lang} ${company.name}'", "'acme pt '"},
        {"'${static.depts}'", "[{'id':'s'}]"},
        {"'${static.depts.0.id}'", "'s'"},
        {"'$${data.n}'", "'$3'"},
        {"'${data.n'", "'${data.n'"},
        {"{'a':'${data.no}','b':['${data.n}','${data.nil}','x'],'c':{'d':'${data.no.more}'},'e':7}",
         "{'b':[3,'x'],'c':{},'e':7}"},
    };
    wf_scope_t scope = scope_of("{'static':{'depts':[{'id':'s'}]}}");
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        wf_json_t *v = wf_template_fill(drive_json(rows[i].in), &scope);
        ck_assert_msg(wf_json_equal(v, drive_json(rows[i].out)), "%s is %s", rows[i].in,
                      drive_text(v));
    }
    ck_assert_ptr_null(wf_template_fill(drive_json("'${data.no}'"), &scope));
    ck_assert_ptr_null(wf_template_fill(drive_json("'${data.nil}'"), &scope));
    ck_assert_ptr_null(wf_template_fill(NULL, &scope));
}
END_TEST

START_TEST(a_text_that_grows_without_measure_is_left_out)
{
    wf_scope_t scope = scope_of(NULL);
    char *big = apr_palloc(test_pool, 40001);
    wf_json_t *d = wf_json_object_make(test_pool);

    memset(big, 'x', 40000);
    big[40000] = '\0';
    wf_json_set_str(d, "big", big);
    scope.data = d;
    ck_assert_ptr_null(wf_template_fill(drive_json("'${data.big}-${data.big}'"), &scope));
    ck_assert_uint_eq(wf_json_str_len(wf_template_fill(drive_json("'${data.big}-'"), &scope)),
                      40001);
}
END_TEST

START_TEST(conditions_read_the_five_names)
{
    wf_scope_t scope = scope_of("{'static':{'vips':['Ana'],'limit':10}}");

    ck_assert(
        wf_logic_holds(drive_json("{'in':[{'var':'data.name'},{'var':'static.vips'}]}"), &scope));
    ck_assert(wf_logic_holds(drive_json("{'<':[{'var':'session.total'},{'var':'static.limit'}]}"),
                             &scope));
    ck_assert(wf_logic_holds(drive_json("{'==':[{'var':'flow.version'},4]}"), &scope));
    ck_assert(wf_logic_holds(drive_json("{'==':[{'var':'company.settings.lang'},'pt']}"), &scope));
    ck_assert(!wf_logic_holds(drive_json("{'missing':['data.name','session.total']}"), &scope));
    ck_assert(wf_logic_holds(drive_json("{'missing':['data.nil']}"), &scope));
    ck_assert(wf_logic_holds(drive_json("{'some':[{'var':'data.list'},{'==':[{'var':''},'b']}]}"),
                             &scope));
    ck_assert(!wf_logic_holds(drive_json("{'var':''}"), &scope));
    ck_assert(!wf_logic_holds(drive_json("{'log':'x'}"), &scope));
}
END_TEST

/* ---- what is refused when saved ---- */

static const char *const flow =
    "{'routing_model':{'A':['B'],'B':['C'],'C':[],'E':['B']},'screens':["
    "{'id':'A','data':{'s':{'type':'string','__example__':'x'},'n':{'type':'number','__example__':"
    "1},"
    "'l':{'type':'array','items':{'type':'object','properties':{'id':{'type':'string'}}},"
    "'__example__':[]}}},{'id':'B'},{'id':'C','terminal':true,'data':{'s':{'type':'string',"
    "'__example__':'x'}}},{'id':'E'}]}";

static wf_issues_t issues;

static wf_plan_t *compile(const char *logic)
{
    return drive_compile(drive_json(flow), drive_json(logic), &issues);
}

static const wf_issue_t *issue_at(int i)
{
    return &APR_ARRAY_IDX(issues.issues, i, wf_issue_t);
}

/* Exactly one issue, at `pointer`, whose message has `words`. */
static void refused(const char *logic, const char *pointer, const char *words)
{
    ck_assert_msg(compile(logic) == NULL, "%s", logic);
    ck_assert_msg(issues.errors == 1, "%s: %d issues, the first: %s %s", logic, issues.errors,
                  issue_at(0)->pointer, issue_at(0)->message);
    ck_assert_str_eq(issue_at(0)->pointer, pointer);
    ck_assert_msg(strstr(issue_at(0)->message, words) != NULL, "%s: %s", logic,
                  issue_at(0)->message);
    ck_assert_str_eq(issue_at(0)->error, "INVALID_LOGIC");
    ck_assert_int_eq(issue_at(0)->level, WF_ISSUE_ERROR);
}

START_TEST(good_logic_is_taken)
{
    ck_assert_ptr_nonnull(compile("{}"));
    ck_assert_ptr_nonnull(compile("{'init':[],'screens':{},'back':{},'static':{}}"));
    ck_assert_ptr_nonnull(compile(
        "{'static':{'list':[{'id':'x'}],'max':5},'error_message':'Ops',"
        "'init':[{'when':{'==':[{'var':'company.slug'},'acme']},'next':'E'},"
        "{'next':'A','data':{'l':'${static.list}','n':'${static.max}','s':'no ${static.max}'}}],"
        "'screens':{'A':[{'when':{'var':'data.x'},'next':'A','data':{'n':'${data.n}'}},"
        "{'when':{'missing':['data.s','session.q.r']},'error_message':'Hi ${data.s}'},"
        "{'when':{'map':[{'var':'data.l'},{'var':'anything.here'}]},'next':'B','error_message':'x'}"
        ","
        "{'when':{'var':'data.y'},'ask':'backend'},"
        "{'complete':{'a':['${session.x}',{'b':1}]}}],'B':[{'next':'E'}]},"
        "'back':{'C':[{'next':'B'}],'B':[{'when':true,'next':'A'},{'next':'E'}]},"
        "'backend':{'url':'https://example.com:8443/x?y=1','timeout_ms':100,"
        "'on_failure':{'next':'A','data':{'s':'x'},'error_message':'y'}}}"));
    ck_assert_int_eq(issues.errors + issues.warnings, 0);
}
END_TEST

START_TEST(bad_documents_are_refused)
{
    refused("[]", "/logic", "an object");
    refused("{'screen':{}}", "/logic/screen", "known are static, init, screens");
    refused("{'static':[]}", "/logic/static", "an object");
    refused("{'static':{'a.b':1}}", "/logic/static/a.b", "letters, digits");
    refused("{'error_message':''}", "/logic/error_message", "not empty");
    refused("{'error_message':'${data.x}'}", "/logic/error_message", "without ${...}");
    refused("{'screens':[]}", "/logic/screens", "an object");
    refused("{'screens':{'Z':[]}}", "/logic/screens/Z", "no screen Z");
    refused("{'back':{'Z':[]}}", "/logic/back/Z", "no screen Z");
    refused("{'screens':{'A':{}}}", "/logic/screens/A", "an array");
    refused("{'init':{}}", "/logic/init", "an array");
    refused("{'init':[1]}", "/logic/init/0", "a rule is an object");
    refused("{'init':[{}]}", "/logic/init/0", "either next");
    refused("{'init':[{'next':'A','complete':{}}]}", "/logic/init/0", "either next");
    refused("{'init':[{'next':'A','then':1}]}", "/logic/init/0/then", "known are when, next");
    refused("{'init':[{'data':{}}]}", "/logic/init/0/data", "needs next");
}
END_TEST

START_TEST(logic_over_256_kib_is_refused)
{
    wf_json_t *logic = drive_json("{'static':{}}");
    char *big = apr_palloc(test_pool, WF_LOGIC_MAX + 1);

    memset(big, 'x', WF_LOGIC_MAX);
    big[WF_LOGIC_MAX] = '\0';
    wf_json_set_str(wf_json_get(logic, "static"), "big", big);
    ck_assert_ptr_null(drive_compile(drive_json(flow), logic, &issues));
    ck_assert_str_eq(issue_at(0)->pointer, "/logic");
}
END_TEST

START_TEST(bad_ways_are_refused)
{
    refused("{'init':[{'next':'Z'}]}", "/logic/init/0/next", "no screen Z");
    refused("{'init':[{'next':7}]}", "/logic/init/0/next", "the name of a screen");
    refused("{'init':[{'next':'B'}]}", "/logic/init/0/next", "cannot be the first");
    refused("{'screens':{'A':[{'next':'C'}]}}", "/logic/screens/A/0/next", "no way from A to C");
    refused("{'screens':{'A':[{'next':'E'}]}}", "/logic/screens/A/0/next", "no way from A to E");
    refused("{'screens':{'A':[{'next':'SUCCESS'}]}}", "/logic/screens/A/0/next", "complete");
    refused("{'back':{'C':[{'next':'A'}]}}", "/logic/back/C/0/next", "no way from C to A");
    refused("{'screens':{'A':[{'complete':[]}]}}", "/logic/screens/A/0/complete", "an object");
    refused("{'screens':{'A':[{'complete':{'a':{'b':null}}}]}}", "/logic/screens/A/0/complete/a/b",
            "null");
    refused("{'screens':{'A':[{'complete':{'a':'${nope}'}}]}}", "/logic/screens/A/0/complete/a",
            "bad ${...}");
    refused("{'screens':{'A':[{'error_message':''}]}}", "/logic/screens/A/0/error_message",
            "not empty");
    refused("{'screens':{'A':[{'error_message':['x']}]}}", "/logic/screens/A/0/error_message",
            "a text");
    /* With no routing_model any screen will do. */
    ck_assert_ptr_nonnull(
        drive_compile(drive_json("{'screens':[{'id':'A'},{'id':'B'},{'id':'C'}]}"),
                      drive_json("{'init':[{'next':'C'}],'screens':{'C':[{'next':"
                                 "'A'}]},'back':{'A':[{'next':'B'}]}}"),
                      &issues));
}
END_TEST

START_TEST(bad_data_is_refused)
{
    refused("{'init':[{'next':'A','data':[]}]}", "/logic/init/0/data", "an object");
    refused("{'init':[{'next':'A','data':{'z':1}}]}", "/logic/init/0/data/z", "does not declare z");
    refused("{'init':[{'next':'A','data':{'s':1}}]}", "/logic/init/0/data/s", "declares string");
    refused("{'init':[{'next':'A','data':{'s':null}}]}", "/logic/init/0/data/s", "null");
    refused("{'init':[{'next':'A','data':{'n':'x ${data.n}'}}]}", "/logic/init/0/data/n",
            "declares number");
    refused("{'init':[{'next':'A','data':{'l':[{'id':1}]}}]}", "/logic/init/0/data/l/0/id",
            "declares string");
    refused("{'init':[{'next':'A','data':{'l':['x']}}]}", "/logic/init/0/data/l/0",
            "declares object");
    refused("{'init':[{'next':'A','data':{'l':[{'id':'a','x':[null]}]}}]}",
            "/logic/init/0/data/l/0/x/0", "null");
    refused("{'static':{'k':'x'},'init':[{'next':'A','data':{'n':'${static.k}'}}]}",
            "/logic/init/0/data/n", "declares number");
    refused("{'static':{'k':[{'id':1}]},'init':[{'next':'A','data':{'l':'${static.k}'}}]}",
            "/logic/init/0/data/l", "l[0].id is number");
    refused("{'init':[{'next':'A','data':{'error_message':'x'}}]}",
            "/logic/init/0/data/error_message", "beside data");
    refused("{'screens':{'C':[{'error_message':'x','data':{'n':1}}]}}", "/logic/screens/C/0/data/n",
            "C does not declare n");
}
END_TEST

START_TEST(bad_references_are_refused)
{
    static const char *const bad[][2] = {
        {"${x}", "begin with"},
        {"${}", "begin with"},
        {"${data.a", "closing }"},
        {"${ data.a}", "no path"},
        {"${data..a}", "empty"},
        {"${data.}", "empty"},
        {"${static.no}", "no such value"},
        {"${static}", "no such value"},
        {"${static.k.no}", "no such value"},
        {"${flow}", "name, version and token"},
        {"${flow.id}", "name, version"},
        {"${company}", "settings"},
        {"${company.email}", "settings"},
        {"ok ${data.a} and ${form.b}", "begin with"},
        {"${data.a|upper}", "no path"},
        {"${Data.a}", "begin with"},
    };
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        refused(apr_psprintf(test_pool,
                             "{'static':{'k':{'a':1}},'screens':{'A':[{'error_message':'%s'}]}}",
                             bad[i][0]),
                "/logic/screens/A/0/error_message", bad[i][1]);
    }
}
END_TEST

static void bad_when(const char *when, const char *at, const char *words)
{
    refused(apr_psprintf(test_pool, "{'screens':{'A':[{'when':%s,'next':'B'}]}}", when),
            apr_pstrcat(test_pool, "/logic/screens/A/0/when", at, NULL), words);
}

START_TEST(bad_conditions_are_refused)
{
    const char *deep = "1", *wide = "1";
    int i;

    bad_when("{'log':1}", "", "unknown operator \"log\"");
    bad_when("{'and':[true,{'eval':'x'}]}", "/and/1", "unknown operator");
    bad_when("{'or':[[{'method':1}]]}", "/or/0/0", "unknown operator");
    bad_when("{'==':[1,2],'!=':[1,2]}", "", "2 members");
    bad_when("{}", "", "0 members");
    bad_when("{'==':[1]}", "", "takes 2 operands, not 1");
    bad_when("{'==':[1,2,3]}", "", "takes 2 operands, not 3");
    bad_when("{'!':[1,2]}", "", "takes 1 operand, not 2");
    bad_when("{'<':[1]}", "", "at least 2");
    bad_when("{'<':[1,2,3,4]}", "", "at most 3");
    bad_when("{'*':[]}", "", "at least 1 operand,");
    bad_when("{'var':'age'}", "/var", "begin with data");
    bad_when("{'var':['age',1]}", "/var", "begin with data");
    bad_when("{'var':''}", "/var", "begin with");
    bad_when("{'missing':['data.a','b']}", "/missing", "\"b\" reads nothing");
    bad_when("{'missing_some':[1,['data.a','b']]}", "/missing_some", "\"b\"");
    bad_when("{'var':'static.no'}", "/var", "no such value");
    bad_when("{'map':[{'var':'l'},{'var':'x'}]}", "/map/0/var", "begin with");
    for (i = 0; i < 20; i++) {
        deep = apr_psprintf(test_pool, "{'!':[%s]}", deep);
    }
    bad_when(deep,
             "/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0/!/0",
             "deeper than 20");
    for (i = 0; i < 14; i++) {
        wide = apr_psprintf(test_pool, "%s,%s", wide, wide);
    }
    ck_assert_ptr_null(compile(
        apr_psprintf(test_pool, "{'screens':{'A':[{'when':{'and':[%s]},'next':'B'}]}}", wide)));
    ck_assert_int_eq(issues.errors, 1);
}
END_TEST

START_TEST(bad_backends_are_refused)
{
    static const char *const urls[] = {
        "''",
        "7",
        "'ftp://x/'",
        "'https://'",
        "'https:///x'",
        "'http://:80'",
        "'example.com'",
        "'https://a b/'",
        "'https://x/${data.a}'",
        "null",
    };
    size_t i;

    refused("{'screens':{'A':[{'ask':'backend'}]}}", "/logic/screens/A/0/ask", "no backend");
    refused("{'backend':{'url':'http://x/'},'screens':{'A':[{'ask':'oracle'}]}}",
            "/logic/screens/A/0/ask", "only one to ask");
    refused("{'backend':'http://x/'}", "/logic/backend", "an object");
    refused("{'backend':{'url':'http://x/','key':1}}", "/logic/backend/key", "known are url");
    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        refused(apr_psprintf(test_pool, "{'backend':{'url':%s}}", urls[i]), "/logic/backend/url",
                "https://");
    }
    refused("{'backend':{}}", "/logic/backend/url", "https://");
    refused("{'backend':{'url':'http://x/','timeout_ms':99}}", "/logic/backend/timeout_ms", "100");
    refused("{'backend':{'url':'http://x/','timeout_ms':9001}}", "/logic/backend/timeout_ms",
            "9000");
    refused("{'backend':{'url':'http://x/','timeout_ms':'2000'}}", "/logic/backend/timeout_ms",
            "whole number");
    refused("{'backend':{'url':'http://x/','on_failure':{}}}", "/logic/backend/on_failure",
            "has next");
    refused("{'backend':{'url':'http://x/','on_failure':{'next':'Z'}}}",
            "/logic/backend/on_failure/next", "a screen of the flow");
    refused("{'backend':{'url':'http://x/','on_failure':{'next':'A','data':{'z':1}}}}",
            "/logic/backend/on_failure/data/z", "does not declare");
    refused("{'backend':{'url':'http://x/','on_failure':{'ask':'backend','error_message':'x'}}}",
            "/logic/backend/on_failure/ask", "known are next");
    refused("{'backend':{'url':'http://x/','on_failure':{'next':'A'}},"
            "'screens':{'B':[{'ask':'backend'}],'C':[{'ask':'backend'}]}}",
            "/logic/screens/C/0/ask", "no way from C to A");
    refused("{'backend':{'url':'http://x/','on_failure':{'next':'B'}},'init':[{'ask':'backend'}]}",
            "/logic/init/0/ask", "from the beginning to B");
}
END_TEST

START_TEST(every_issue_is_told_at_once_with_both_forms_of_its_place)
{
    ck_assert_ptr_null(compile("{'init':[{'next':'Z'},{'when':{'log':1},'next':'A'}],"
                               "'screens':{'A':[{'next':'B'},{'next':'Q'}]}}"));
    ck_assert_int_eq(issues.errors, 3);
    ck_assert_int_eq(issues.warnings, 2);
    ck_assert_str_eq(issue_at(0)->pointer, "/logic/init/0/next");
    ck_assert_str_eq(issue_at(0)->path, "logic.init[0].next");
    ck_assert_int_eq(issue_at(1)->level, WF_ISSUE_WARNING);
    ck_assert_ptr_nonnull(strstr(issue_at(1)->message, "never reached"));
    ck_assert_str_eq(issue_at(4)->path, "logic.screens.A[1].next");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("logic");
    TCase *tc = wf_test_case(suite, "logic");

    tcase_add_test(tc, references_are_replaced);
    tcase_add_test(tc, a_text_that_grows_without_measure_is_left_out);
    tcase_add_test(tc, conditions_read_the_five_names);
    tcase_add_test(tc, good_logic_is_taken);
    tcase_add_test(tc, bad_documents_are_refused);
    tcase_add_test(tc, logic_over_256_kib_is_refused);
    tcase_add_test(tc, bad_ways_are_refused);
    tcase_add_test(tc, bad_data_is_refused);
    tcase_add_test(tc, bad_references_are_refused);
    tcase_add_test(tc, bad_conditions_are_refused);
    tcase_add_test(tc, bad_backends_are_refused);
    tcase_add_test(tc, every_issue_is_told_at_once_with_both_forms_of_its_place);
    return wf_test_run(suite);
}
