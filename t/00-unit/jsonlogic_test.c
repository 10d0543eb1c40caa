/* JsonLogic, against what jsonlogic.com documents and json-logic-js does. */
#include "flow/wf_engine_int.h"
#include "wf_flow_drive.h"

typedef struct {
    const char *rule, *data, *result;
} row_t;

static const row_t comparing[] = {
    {"{'==':[1,1]}", "{}", "true"},
    {"{'==':[1,'1']}", "{}", "true"},
    {"{'==':[0,false]}", "{}", "true"},
    {"{'==':['1',true]}", "{}", "true"},
    {"{'==':['',0]}", "{}", "true"},
    {"{'==':[' 12\\n',12]}", "{}", "true"},
    {"{'==':['0x1F',31]}", "{}", "true"},
    {"{'==':['1e2',100]}", "{}", "true"},
    {"{'==':['12a',12]}", "{}", "false"},
    {"{'==':['true',true]}", "{}", "false"},
    {"{'==':[null,0]}", "{}", "false"},
    {"{'==':[null,'']}", "{}", "false"},
    {"{'==':[null,false]}", "{}", "false"},
    {"{'==':[{'var':'no'},null]}", "{}", "true"},
    {"{'==':[{'var':'a'},'1,2']}", "{'a':[1,2]}", "true"},
    {"{'==':[{'var':'a'},'']}", "{'a':[]}", "true"},
    {"{'==':[{'var':'a'},0]}", "{'a':[]}", "true"},
    {"{'==':[{'var':'a'},7]}", "{'a':[7]}", "true"},
    {"{'==':[{'var':'a'},'[object Object]']}", "{'a':{'b':1}}", "true"},
    {"{'==':[[1],[1]]}", "{}", "false"},
    {"{'==':[{'var':'a'},{'var':'a'}]}", "{'a':[1]}", "true"},
    {"{'==':['a\\u0000','a']}", "{}", "false"},
    {"{'===':[1,1]}", "{}", "true"},
    {"{'===':[1,'1']}", "{}", "false"},
    {"{'===':[1,1.0]}", "{}", "true"},
    {"{'===':[null,null]}", "{}", "true"},
    {"{'!=':[1,2]}", "{}", "true"},
    {"{'!=':[1,'1']}", "{}", "false"},
    {"{'!==':[1,'1']}", "{}", "true"},
    {"{'!==':[1,1]}", "{}", "false"},
    {"{'>':[2,1]}", "{}", "true"},
    {"{'>':[1,1]}", "{}", "false"},
    {"{'>':['2',1]}", "{}", "true"},
    {"{'>':['10','9']}", "{}", "false"},
    {"{'>':['b','a']}", "{}", "true"},
    {"{'>':['a',1]}", "{}", "false"},
    {"{'>=':[1,1]}", "{}", "true"},
    {"{'>=':[1,null]}", "{}", "true"},
    {"{'>=':['x',1]}", "{}", "false"},
    {"{'<':['x',1]}", "{}", "false"},
    {"{'<':[1,2]}", "{}", "true"},
    {"{'<':[2,1]}", "{}", "false"},
    {"{'<':[1,2,3]}", "{}", "true"},
    {"{'<':[1,1,3]}", "{}", "false"},
    {"{'<':[1,4,3]}", "{}", "false"},
    {"{'<=':[1,2,3]}", "{}", "true"},
    {"{'<=':[1,1,3]}", "{}", "true"},
    {"{'<=':[1,4,3]}", "{}", "false"},
    {"{'<=':[null,0]}", "{}", "true"},
    {"{'<':[0,{'var':'temp'},100]}", "{'temp':37}", "true"},
    {"{'<':[{'var':'no'},1]}", "{}", "true"},
};

static const row_t truth[] = {
    {"{'!':[true]}", "{}", "false"},
    {"{'!':true}", "{}", "false"},
    {"{'!':[false]}", "{}", "true"},
    {"{'!':0}", "{}", "true"},
    {"{'!':[[]]}", "{}", "true"},
    {"{'!!':[[]]}", "{}", "false"},
    {"{'!!':[[0]]}", "{}", "true"},
    {"{'!!':['0']}", "{}", "true"},
    {"{'!!':['']}", "{}", "false"},
    {"{'!!':[null]}", "{}", "false"},
    {"{'!!':{'var':'o'}}", "{'o':{}}", "true"},
    {"{'!!':[{'+':'x'}]}", "{}", "false"},
    {"{'or':[false,true]}", "{}", "true"},
    {"{'or':[false,0,'']}", "{}", "''"},
    {"{'or':[[],3]}", "{}", "3"},
    {"{'or':['a','b']}", "{}", "'a'"},
    {"{'and':[true,'']}", "{}", "''"},
    {"{'and':[true,'a',3]}", "{}", "3"},
    {"{'and':[1,0,{'no such operator':1}]}", "{}", "0"},
    {"{'or':[1,{'no such operator':1}]}", "{}", "1"},
    {"{'if':[true,'yes','no']}", "{}", "'yes'"},
    {"{'if':[false,'yes','no']}", "{}", "'no'"},
    {"{'if':[false,'yes']}", "{}", "null"},
    {"{'if':[]}", "{}", "null"},
    {"{'if':['just me']}", "{}", "'just me'"},
    {"{'if':[{'<':[{'var':'t'},0]},'freezing',{'<':[{'var':'t'},100]},'liquid','gas']}", "{'t':55}",
     "'liquid'"},
    {"{'if':[{'<':[{'var':'t'},0]},'freezing',{'<':[{'var':'t'},100]},'liquid','gas']}",
     "{'t':200}", "'gas'"},
    {"{'if':[[],'yes','no']}", "{}", "'no'"},
    {"{'if':['0','yes','no']}", "{}", "'yes'"},
    {"{'?:':[true,1,2]}", "{}", "1"},
};

static const row_t numbers[] = {
    {"{'+':[4,2]}", "{}", "6"},
    {"{'+':[2,2,2,2,2]}", "{}", "10"},
    {"{'+':'3.14'}", "{}", "3.14"},
    {"{'+':['3 apples',1]}", "{}", "4"},
    {"{'+':[true,1]}", "{}", "null"},
    {"{'+':[]}", "{}", "0"},
    {"{'+':['-.5e1x']}", "{}", "-5"},
    {"{'-':[4,2]}", "{}", "2"},
    {"{'-':2}", "{}", "-2"},
    {"{'-':['5',true]}", "{}", "4"},
    {"{'*':[4,2]}", "{}", "8"},
    {"{'*':[2,'3',2]}", "{}", "12"},
    {"{'*':['7']}", "{}", "'7'"},
    {"{'/':[4,2]}", "{}", "2"},
    {"{'/':[1,0]}", "{}", "null"},
    {"{'>':[{'/':[1,0]},1000000]}", "{}", "true"},
    {"{'%':[101,2]}", "{}", "1"},
    {"{'%':[-5,3]}", "{}", "-2"},
    {"{'%':[5,0]}", "{}", "null"},
    {"{'max':[1,3,2]}", "{}", "3"},
    {"{'max':['10',9]}", "{}", "10"},
    {"{'max':[1,'x']}", "{}", "null"},
    {"{'min':[1,3,-2]}", "{}", "-2"},
    {"{'min':[5]}", "{}", "5"},
    {"{'+':[0.1,0.2]}", "{}", "0.30000000000000004"},
};

static const row_t texts[] = {
    {"{'cat':['I love',' pie']}", "{}", "'I love pie'"},
    {"{'cat':['I love ',{'var':'filling'},' pie']}", "{'filling':'apple'}", "'I love apple pie'"},
    {"{'cat':[1,true,null,{'var':'no'},[2,[3,null]]]}", "{}", "'1true2,3,'"},
    {"{'cat':'x'}", "{}", "'x'"},
    {"{'cat':[1.5,'|',1e20,'|',1e21,'|',0.000001,'|',1e-7,'|',-0.0,'|',123456.789]}", "{}",
     "'1.5|100000000000000000000|1e+21|0.000001|1e-7|0|123456.789'"},
    {"{'cat':[1e15,'|',1.7976931348623157e308,'|',5e-324,'|',1.25e-9,'|',12345678901234567890]}",
     "{}", "'1000000000000000|1.7976931348623157e+308|5e-324|1.25e-9|12345678901234567000'"},
    {"{'cat':[{'-':[0.3,0.1]},'|',{'/':[1,3]},'|',{'/':[1,0]},'|',{'%':[1,0]}]}", "{}",
     "'0.19999999999999998|0.3333333333333333|Infinity|NaN'"},
    {"{'in':['Ringo',['John','Paul','George','Ringo']]}", "{}", "true"},
    {"{'in':['1',[1,2]]}", "{}", "false"},
    {"{'in':['Spring','Springfield']}", "{}", "true"},
    {"{'in':['i','team']}", "{}", "false"},
    {"{'in':[2,'123']}", "{}", "true"},
    {"{'in':['','abc']}", "{}", "true"},
    {"{'in':['a',null]}", "{}", "false"},
    {"{'in':['a',7]}", "{}", "false"},
    {"{'in':[null,[null]]}", "{}", "true"},
    {"{'in':[{'var':'x'},['a','b']]}", "{'x':'b'}", "true"},
    {"{'substr':['jsonlogic',4]}", "{}", "'logic'"},
    {"{'substr':['jsonlogic',-5]}", "{}", "'logic'"},
    {"{'substr':['jsonlogic',1,3]}", "{}", "'son'"},
    {"{'substr':['jsonlogic',4,-2]}", "{}", "'log'"},
    {"{'substr':['jsonlogic',-5,-2]}", "{}", "'log'"},
    {"{'substr':['jsonlogic',-5,2]}", "{}", "'lo'"},
    {"{'substr':['jsonlogic',0,0]}", "{}", "''"},
    {"{'substr':['jsonlogic',99]}", "{}", "''"},
    {"{'substr':['jsonlogic',-99,4]}", "{}", "'json'"},
    {"{'substr':['jsonlogic',0,-99]}", "{}", "''"},
    {"{'substr':['\\u00e9t\\u00e9!',1,2]}", "{}", "'t\\u00e9'"},
    {"{'substr':[12345,1,2]}", "{}", "'23'"},
};

static const row_t lists[] = {
    {"{'merge':[[1,2],[3,4]]}", "{}", "[1,2,3,4]"},
    {"{'merge':[1,2,[3,4]]}", "{}", "[1,2,3,4]"},
    {"{'merge':[]}", "{}", "[]"},
    {"{'merge':1}", "{}", "[1]"},
    {"{'map':[{'var':'integers'},{'*':[{'var':''},2]}]}", "{'integers':[1,2,3]}", "[2,4,6]"},
    {"{'map':[{'var':'no'},{'*':[{'var':''},2]}]}", "{}", "[]"},
    {"{'map':[{'var':'d'},{'var':'qty'}]}", "{'d':[{'qty':1},{'qty':2},{}]}", "[1,2,null]"},
    {"{'filter':[{'var':'integers'},{'>=':[{'var':''},2]}]}", "{'integers':[1,2,3]}", "[2,3]"},
    {"{'filter':[{'var':'integers'},true]}", "{'integers':[1]}", "[1]"},
    {"{'filter':[{'var':'x'},true]}", "{'x':'abc'}", "[]"},
    {"{'reduce':[{'var':'integers'},{'+':[{'var':'current'},{'var':'accumulator'}]},0]}",
     "{'integers':[1,2,3,4]}", "10"},
    {"{'reduce':[{'var':'no'},{'+':[{'var':'current'},{'var':'accumulator'}]},7]}", "{}", "7"},
    {"{'reduce':[{'var':'d'},{'+':[{'var':'accumulator'},{'var':'current.q'}]},0]}",
     "{'d':[{'q':2},{'q':3}]}", "5"},
    {"{'reduce':[{'var':'d'},{'max':[{'var':'accumulator'},{'var':'current'}]},{'var':'first'}]}",
     "{'d':[2,9,3],'first':5}", "9"},
    {"{'reduce':[[1],{'var':''},0]}", "{}", "{'current':1,'accumulator':0}"},
    {"{'all':[{'var':'i'},{'>':[{'var':''},0]}]}", "{'i':[1,2]}", "true"},
    {"{'all':[{'var':'i'},{'>':[{'var':''},1]}]}", "{'i':[1,2]}", "false"},
    {"{'all':[{'var':'i'},true]}", "{'i':[]}", "false"},
    {"{'all':[{'var':'i'},true]}", "{}", "false"},
    {"{'some':[{'var':'i'},{'>':[{'var':''},1]}]}", "{'i':[1,2]}", "true"},
    {"{'some':[{'var':'i'},true]}", "{'i':[]}", "false"},
    {"{'none':[{'var':'i'},{'>':[{'var':''},2]}]}", "{'i':[1,2]}", "true"},
    {"{'none':[{'var':'i'},{'>':[{'var':''},1]}]}", "{'i':[1,2]}", "false"},
    {"{'none':[{'var':'i'},true]}", "{'i':[]}", "true"},
    {"{'some':[{'var':'pies'},{'==':[{'var':'filling'},'apple']}]}",
     "{'pies':[{'filling':'pumpkin'},{'filling':'apple'}]}", "true"},
    {"{'map':[{'var':'m'},{'map':[{'var':''},{'+':[{'var':''},1]}]}]}", "{'m':[[1],[2,3]]}",
     "[[2],[3,4]]"},
    {"[1,{'+':[1,1]},['a',{'var':'x'}]]", "{'x':3}", "[1,2,['a',3]]"},
};

static const row_t data[] = {
    {"{'var':['a']}", "{'a':1,'b':2}", "1"},
    {"{'var':'a'}", "{'a':1,'b':2}", "1"},
    {"{'var':['z',26]}", "{'a':1}", "26"},
    {"{'var':'z'}", "{'a':1}", "null"},
    {"{'var':['n',5]}", "{'n':null}", "null"},
    {"{'var':'champ.name'}", "{'champ':{'name':'Fezzig'}}", "'Fezzig'"},
    {"{'var':['champ.age',9]}", "{'champ':{'name':'Fezzig'}}", "9"},
    {"{'var':['a.b.c',9]}", "{'a':null}", "9"},
    {"{'var':1}", "['apple','banana','carrot']", "'banana'"},
    {"{'var':'0.x'}", "[{'x':4}]", "4"},
    {"{'var':'-1'}", "[1]", "null"},
    {"{'var':'length'}", "[1,2]", "2"},
    {"{'var':'s.length'}", "{'s':'\\u00e9t\\u00e9'}", "3"},
    {"{'var':'s.2'}", "{'s':'\\u00e9t\\u00e8'}", "'\\u00e8'"},
    {"{'var':'s.3'}", "{'s':'\\u00e9t\\u00e8'}", "null"},
    {"{'var':''}", "{'a':1}", "{'a':1}"},
    {"{'var':[]}", "3", "3"},
    {"{'var':null}", "3", "3"},
    {"{'var':{'if':[true,'a','b']}}", "{'a':'x'}", "'x'"},
    {"{'missing':['a','b']}", "{'a':'apple','c':'carrot'}", "['b']"},
    {"{'missing':['a','b']}", "{'a':'apple','b':'banana'}", "[]"},
    {"{'missing':['a','b']}", "{'a':'','b':null}", "['a','b']"},
    {"{'missing':['a']}", "{'a':0}", "[]"},
    {"{'missing':'x.y'}", "{'x':{}}", "['x.y']"},
    {"{'missing':{'merge':['vin',{'if':[{'var':'f'},['apr'],[]]}]}}", "{'f':true}",
     "['vin','apr']"},
    {"{'missing_some':[1,['a','b','c']]}", "{'a':'apple'}", "[]"},
    {"{'missing_some':[2,['a','b','c']]}", "{'a':'apple'}", "['b','c']"},
    {"{'if':[{'missing':['a']},'no','yes']}", "{'a':1}", "'yes'"},
    {"'a text'", "{}", "'a text'"},
    {"17", "{}", "17"},
    {"null", "{}", "null"},
    {"{'a':1,'b':2}", "{}", "{'a':1,'b':2}"},
};

static wf_status_t value_of(wf_value_t *v, const char *rule, const char *about)
{
    wf_scope_t scope;

    memset(&scope, 0, sizeof(scope));
    scope.ctx = test_ctx;
    scope.is_element = 1;
    scope.element = wf_value_of(drive_json(about));
    return wf_logic_value(v, drive_json(rule), &scope);
}

static void table(const row_t *rows, size_t n)
{
    wf_value_t v;
    size_t i;

    for (i = 0; i < n; i++) {
        ck_assert_msg(value_of(&v, rows[i].rule, rows[i].data) == WF_OK, "%s", rows[i].rule);
        ck_assert_msg(wf_json_equal(wf_value_json(test_pool, v), drive_json(rows[i].result)),
                      "%s of %s is %s, not %s", rows[i].rule, rows[i].data,
                      drive_text(wf_value_json(test_pool, v)), rows[i].result);
    }
}

#define TABLE(rows) table(rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(operators_compare_like_javascript)
{
    TABLE(comparing);
}
END_TEST

START_TEST(operators_know_truth)
{
    TABLE(truth);
}
END_TEST

START_TEST(operators_calculate)
{
    TABLE(numbers);
}
END_TEST

START_TEST(operators_handle_text)
{
    TABLE(texts);
}
END_TEST

START_TEST(operators_handle_lists)
{
    TABLE(lists);
}
END_TEST

START_TEST(operators_read_data)
{
    TABLE(data);
}
END_TEST

START_TEST(work_is_bounded)
{
    const char *doubling =
        "{'reduce':[{'var':''},{'cat':[{'var':'accumulator'},{'var':'accumulator'}]},'xxxx']}";
    const char *merging =
        "{'reduce':[{'var':''},{'merge':[{'var':'accumulator'},{'var':'accumulator'}]},[1]]}";
    const char *list = "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24]";
    const char *deep = "1";
    wf_value_t v;
    int i;

    ck_assert_int_eq(value_of(&v, doubling, list), WF_ELIMIT);
    ck_assert_int_eq(value_of(&v, merging, list), WF_ELIMIT);
    ck_assert_int_eq(
        value_of(&v, apr_psprintf(test_pool, "{'map':[{'var':''},%s]}", merging), list), WF_OK);
    ck_assert_int_eq(
        value_of(&v,
                 "{'map':[{'var':''},{'map':[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20],"
                 "{'map':[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20],{'var':''}]}]}]}",
                 list),
        WF_ELIMIT);
    for (i = 0; i < 19; i++) {
        deep = apr_psprintf(test_pool, "{'!!':[%s]}", deep);
    }
    ck_assert_int_eq(value_of(&v, deep, "{}"), WF_OK);
    ck_assert_int_eq(value_of(&v, apr_psprintf(test_pool, "{'!!':[%s]}", deep), "{}"), WF_ELIMIT);
    ck_assert_int_eq(value_of(&v, "{'log':1}", "{}"), WF_EINVALID);
    ck_assert_int_eq(value_of(&v, "{'*':[]}", "{}"), WF_EINVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jsonlogic");
    TCase *tc = wf_test_case(suite, "jsonlogic");

    tcase_add_test(tc, operators_compare_like_javascript);
    tcase_add_test(tc, operators_know_truth);
    tcase_add_test(tc, operators_calculate);
    tcase_add_test(tc, operators_handle_text);
    tcase_add_test(tc, operators_handle_lists);
    tcase_add_test(tc, operators_read_data);
    tcase_add_test(tc, work_is_bounded);
    return wf_test_run(suite);
}
