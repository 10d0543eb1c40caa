/* The Flow JSON check: actions, payloads, components. The rest: flow_check_test.c. */
#include "wf_flow_check_fixture.h"

#define CLICK AT0 "/on-click-action"
#define FROZEN "W UNSUPPORTED_FLOW_JSON_VERSION /version"
#define INPUT "{'type':'TextInput','name':'n','label':'L'}"
#define S_MODEL "'data':{'s':{'type':'string','__example__':''}},"

/* ---- actions: rules 12, 51, 52, 57, 65, 84 ---- */

#define FOOT(action) "{'type':'Footer','label':'Go','on-click-action':" action "}"
#define LINK(action) "{'type':'EmbeddedLink','text':'x','on-click-action':" action "}"
#define GO(screen) "{'name':'navigate','next':{'type':'screen','name':'" screen "'},'payload':{}}"
/* A leads to B by a Footer, so that whatever else is on A is the one thing wrong. */
#define A_B(version, component) \
    FLOW(version, "", SCREEN("A", "", component "," TO("B", "{}")) "," LAST("B", "", FOOTER))

static const flow_case_t
    actions
        [] =
            {
                {"12", SHOW(LINK("{'name':'submit'}")), "E INVALID_ENUM_VALUE " CLICK "/name"},
                {"12", SHOW(LINK("{}")), "E MISSING_REQUIRED_PROPERTY " CLICK},
                {"12", SHOW(LINK("{'name':1}")), "E INVALID_PROPERTY_TYPE " CLICK "/name"},
                {"12", SHOW(LINK("'navigate'")), "E INVALID_PROPERTY_TYPE " CLICK},
                {"12", A_B("7.3", LINK("{'name':'complete','payload':{}}")),
                 "E INVALID_COMPLETE_ACTION " CLICK "\nE INVALID_ENUM_VALUE " CLICK "/name"},
                {"12", SHOW(LINK("{'name':'complete','payload':{}}")),
                 "W INVALID_COMPLETE_ACTION " CLICK "\nW INVALID_ENUM_VALUE " CLICK "/name"},
                {"12", ONE("7.3", "", FOOT("{'name':'open_url','url':'https://a.example'}")),
                 "E INVALID_ENUM_VALUE " CLICK "/name"},
                {"12", FLOW("7.3", "", LAST("A", "", TO("B", "{}")) "," LAST("B", "", FOOTER)),
                 "E INVALID_ENUM_VALUE " CLICK "/name"},
                {"12",
                 FLOW("7.3", "",
                      SCREEN("A", "",
                             FOOT("{'name':'navigate','next':{'type':'flow','name':'B'},'payload':{"
                                  "}}")) "," LAST("B", "", FOOTER)),
                 "E INVALID_ENUM_VALUE " CLICK "/next/type"},
                {"51",
                 FLOW("7.3", "",
                      SCREEN("A", "", FOOTER "," LINK(GO("B"))) "," LAST("B", "", FOOTER)),
                 "E INVALID_COMPLETE_ACTION " CLICK},
                {"52", A_B("7.3", LINK(GO("X"))),
                 "E INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME " CLICK "/next/name"},
                {"52", A_B("7.3", LINK(GO("A"))),
                 "W INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME " CLICK "/next/name"},
                {"52",
                 FLOW("7.3", "",
                      SCREEN("A", "", FOOT(GO("A")) "," LINK(GO("B"))) "," LAST("B", "", FOOTER)),
                 "E INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME " CLICK "/next/name"},
                {"52",
                 FLOW("7.3", "",
                      SCREEN("A", S_MODEL,
                             LINK(GO("${data.s}")) "," TO("B", "{}")) "," LAST("B", "", FOOTER)),
                 "W INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME " CLICK "/next/name"},
                {"10", A_B("7.3", LINK("{'name':'navigate','payload':{}}")),
                 "E MISSING_REQUIRED_PROPERTY " CLICK},
                {"57", A_B("3.0", LINK("{'name':'navigate','next':{'type':'screen','name':'B'}}")),
                 FROZEN "\nE MISSING_NAVIGATION_ACTION_PAYLOAD " CLICK},
                {"57", A_B("7.3", LINK("{'name':'navigate','next':{'type':'screen','name':'B'}}")),
                 "W MISSING_NAVIGATION_ACTION_PAYLOAD " CLICK},
                {"65", SHOW(LINK("{'name':'open_url','url':'https://a.example','payload':{}}")),
                 "E INVALID_PROPERTY_KEY " CLICK "/payload"},
                {"65", SHOW(LINK("{'name':'open_url'}")), "E MISSING_REQUIRED_PROPERTY " CLICK},
                {"9", SHOW(LINK("{'name':'open_url','url':'a.example/x'}")),
                 "E INVALID_PROPERTY_VALUE_FORMAT " CLICK "/url"},
                {"9", SHOW(LINK("{'name':'open_url','url':'https:///x'}")),
                 "E INVALID_PROPERTY_VALUE_FORMAT " CLICK "/url"},
                {"9", SHOW(LINK("{'name':'open_url','url':'https://a.example/x?y=1#z'}")), ""},
                {"84",
                 ONE("5.1", "", LINK("{'name':'open_url','url':'https://a.example'}") "," FOOTER),
                 "E INVALID_ENUM_VALUE " CLICK "/name"},
};
FLOW_CASES_TEST(actions)

/* ---- payloads: rules 53-56, 58-64, 66, 74, 87 ---- */

/* Screen A with an input n and a box c, to B with the data model given. */
#define TO_B(version, b_members, payload)                                                         \
    FLOW(version, "",                                                                             \
         SCREEN("A", S_MODEL,                                                                     \
                "{'type':'Form','name':'f','children':[" INPUT                                    \
                ",{'type':'TextInput','name':'num',"                                              \
                "'label':'L','input-type':'number'},{'type':'OptIn','name':'c','label':'x'}," TO( \
                    "B", payload) "]}") "," LAST("B", b_members, FOOTER))
#define GO_PAYLOAD AT0 "/children/3/on-click-action/payload"
#define B_DATA(type, example) "'data':{'k':{'type':'" type "','__example__':" example "}},"
#define PHOTO "{'type':'PhotoPicker','name':'p','label':'L','max-uploaded-photos':1}"
#define DOCUMENT "{'type':'DocumentPicker','name':'d','label':'L','max-uploaded-documents':1}"
#define DONE(payload) FOOT("{'name':'complete','payload':" payload "}")
#define DONE_AT(n, key) "/screens/0/layout/children/" n "/on-click-action/payload/" key

static const flow_case_t payloads[] = {
    {"53", TO_B("7.3", "", "{'k':'x'}"), "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"54", TO_B("7.3", B_DATA("string", "''"), "{'k':'x','z':1}"),
     "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD "/z"},
    {"55", TO_B("7.3", B_DATA("string", "''"), "{}"),
     "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD},
    {"55",
     TO_B("7.3", "'data':{'k':{'type':'array','items':{'type':'string'},'__example__':[]}},", "{}"),
     "W INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD},
    {"56", TO_B("7.3", B_DATA("string", "''"), "{'k':123}"),
     "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"56", TO_B("7.3", B_DATA("string", "''"), "{'k':'${form.c}'}"),
     "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"56", TO_B("7.3", B_DATA("boolean", "true"), "{'k':'${form.c}'}"), ""},
    {"56", TO_B("7.3", B_DATA("number", "1"), "{'k':'${data.s}'}"),
     "E INVALID_NAVIGATE_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"56", TO_B("7.3", B_DATA("number", "1"), "{'k':'${form.num}'}"), ""},
    {"56", TO_B("7.3", B_DATA("string", "''"), "{'k':'${form.num}'}"), ""},
    {"58", TO_B("5.0", B_DATA("string", "''"), "{'k':'`${data.s}`'}"),
     FROZEN "\nE INVALID_PROPERTY_VALUE " GO_PAYLOAD "/k"},
    {"58", TO_B("5.1", B_DATA("string", "''"), "{'k':'${data..s}'}"),
     "E INVALID_NAVIGATE_ACTION_STATIC_DATA " GO_PAYLOAD "/k"},
    {"58", TO_B("7.3", B_DATA("string", "''"), "{'k':'${name}'}"),
     "E INVALID_ACTION_PAYLOAD_PROPERTY " GO_PAYLOAD "/k"},
    {"59", TO_B("7.3", B_DATA("string", "''"), "{'k':'${form.none}'}"),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"59", TO_B("7.3", B_DATA("string", "''"), "{'k':'${form.f}'}"),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"59", TO_B("7.3", B_DATA("string", "''"), "{'k':'${form.n.part}'}"),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"60", TO_B("7.3", B_DATA("string", "''"), "{'k':'${data.none}'}"),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " GO_PAYLOAD "/k"},
    {"60", ONE("7.3", "", DONE("{'k':{'deep':['${data.none}']}}")),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " CLICK "/payload/k/deep/0"},
    {"61",
     FLOW("7.3", "",
          SCREEN("A", "", PHOTO "," TO("B", "{'k':'${form.p}'}")) "," LAST(
              "B", "'data':{'k':{'type':'array','items':true,'__example__':[]}},", FOOTER)),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " DONE_AT("1", "k")},
    {"62", SHOW(PHOTO), ""},
    {"62", ONE("7.3", "", PHOTO "," DONE("{'k':'${form.p}'}")), ""},
    {"62", ONE("7.3", "", PHOTO "," DONE("{'k':{'deep':'${form.p}'}}")),
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " DONE_AT("1", "k/deep")},
    {"63", ONE("7.3", "", PHOTO "," DOCUMENT "," DONE("{'p':'${form.p}','d':'${form.d}'}")),
     "W COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN /screens/0/layout/children\n"
     "E INVALID_ON_CLICK_ACTION_PAYLOAD " DONE_AT("2", "d")},
    {"63",
     ONE("5.0", "", "{'type':'PhotoPicker','name':'p','label':'L'}," DONE("{'p':'${form.p}'}")),
     FROZEN "\nE INVALID_ON_CLICK_ACTION_PAYLOAD " DONE_AT("1", "p")},
    {"63",
     ONE("5.1", "", "{'type':'PhotoPicker','name':'p','label':'L'}," DONE("{'p':'${form.p}'}")),
     "W INVALID_ON_CLICK_ACTION_PAYLOAD " DONE_AT("1", "p")},
    {"66", FLOW("7.3", ENDPOINT("{'A':[]}"), LAST("A", "", EXCHANGE("{'error':'x','op':'y'}"))),
     "W INVALID_ON_CLICK_ACTION_PAYLOAD " CLICK "/payload/error"},
    {"74",
     ONE("3.0", "", "{'type':'Form','name':'f','children':[" INPUT "]}," DONE("{'k':'${form.n}'}")),
     FROZEN "\nE INVALID_FOOTER_PAYLOAD_OUTSIDE_FORM " DONE_AT("1", "k")},
    {"74",
     ONE("5.1", "", "{'type':'Form','name':'f','children':[" INPUT "]}," DONE("{'k':'${form.n}'}")),
     "W INVALID_FOOTER_PAYLOAD_OUTSIDE_FORM " DONE_AT("1", "k")},
    {"87", ONE("7.3", "", DONE("{'k':null}")),
     "W INVALID_ACTION_PAYLOAD_PROPERTY " CLICK "/payload/k"},
};
FLOW_CASES_TEST(payloads)

/* ---- update_data and options: rules 15, 64, 78, 84-86 ---- */

#define DROP(members) "{'type':'Dropdown','name':'d','label':'L'," members "}"
#define UPDATE(payload) "{'name':'update_data','payload':" payload "}"
#define WITH_S(component) ONE("7.3", S_MODEL, component "," FOOTER)
#define SELECT AT0 "/on-select-action"

static const flow_case_t options[] = {
    {"64", WITH_S(DROP(OPTIONS ",'on-select-action':" UPDATE("{'s':'x'}"))), ""},
    {"64", WITH_S(DROP(OPTIONS ",'on-select-action':" UPDATE("{'z':'x'}"))),
     "E INVALID_UPDATE_DATA_ACTION_PAYLOAD " SELECT "/payload/z"},
    {"64", WITH_S(DROP(OPTIONS ",'on-select-action':" UPDATE("{'s':5}"))),
     "E INVALID_UPDATE_DATA_ACTION_PAYLOAD " SELECT "/payload/s"},
    {"64", SHOW(DROP(OPTIONS ",'on-select-action':" UPDATE("{'z':'x'}"))),
     "W INVALID_UPDATE_DATA_ACTION_PAYLOAD " SELECT "/payload/z"},
    {"64", WITH_S(DROP(OPTIONS ",'on-select-action':{'name':'update_data'}")),
     "E MISSING_REQUIRED_PROPERTY " SELECT},
    {"64",
     WITH_S(DROP(
         "'on-select-action':" UPDATE("{'s':'x'}") ",'data-source':[{'id':'1','title':'x',"
                                                   "'on-select-action':" UPDATE("{'s':'y'}") "}]")),
     "E INVALID_UPDATE_DATA_ACTION_PAYLOAD " AT0 "/data-source/0/on-select-action"},
    {"12",
     WITH_S(DROP(OPTIONS ",'on-select-action':"
                         "{'name':'complete','payload':{}}")),
     "E INVALID_COMPLETE_ACTION " SELECT "\nE INVALID_ENUM_VALUE " SELECT "/name"},
    {"12",
     WITH_S(DROP(OPTIONS ",'on-unselect-action':"
                         "{'name':'data_exchange','payload':{}}")),
     "E MISSING_REQUIRED_PROPERTY " AT0 "/on-unselect-action\n"
     "E INVALID_ENUM_VALUE " AT0 "/on-unselect-action/name"},
    {"84",
     ONE("5.1", S_MODEL, DROP(OPTIONS ",'on-unselect-action':" UPDATE("{'s':'x'}")) "," FOOTER),
     "E INVALID_PROPERTY_KEY " AT0 "/on-unselect-action\n"
     "E INVALID_ENUM_VALUE " AT0 "/on-unselect-action/name"},
    {"10", SHOW(DROP("'data-source':[{'id':'1','label':'One'}]")),
     "E MISSING_REQUIRED_TYPE_PROPERTY " AT0 "/data-source/0\n"
     "E INVALID_PROPERTY_KEY " AT0 "/data-source/0/label"},
    {"11", SHOW(DROP("'data-source':['One']")), "E INVALID_PROPERTY_TYPE " AT0 "/data-source/0"},
    {"11", SHOW(DROP("'data-source':[{'id':1,'title':'One'}]")),
     "E INVALID_PROPERTY_TYPE " AT0 "/data-source/0/id"},
    {"2.8 ids", SHOW(DROP("'data-source':[{'id':'1','title':'x'},{'id':'1','title':'y'}]")),
     "W INVALID_PROPERTY_VALUE " AT0 "/data-source/1/id"},
    {"78",
     SHOW(DROP("'data-source':[{'id':'1','title':'x','image':'iVBORw0KGgo=','color':'FF0000'}]")),
     "E DATA_SOURCE_ITEMS_HAVE_BOTH_IMAGE_AND_COLOR " AT0 "/data-source/0"},
    {"84",
     ONE("4.0", "", DROP("'data-source':[{'id':'1','title':'x','color':'FF0000'}]") "," FOOTER),
     FROZEN "\nE INVALID_PROPERTY_KEY " AT0 "/data-source/0/color"},
    {"86", SHOW(DROP("'data-source':[{'id':'1','title':'x','image':'not base64!'}]")),
     "W INVALID_PROPERTY_VALUE " AT0 "/data-source/0/image"},
    {"86", SHOW("{'type':'Image','src':'data:image/png;base64,iVBORw0KGgo='}"),
     "W INVALID_PROPERTY_VALUE " AT0 "/src"},
    {"86", SHOW("{'type':'Image','src':'iVBORw0KGgo='}"), ""},
    {"85", SHOW(DROP("'data-source':[{'id':'1','title':'1234567890123456789012345678901'}]")),
     "W MAX_CHARS_REQUIRED " AT0 "/data-source/0/title"},
    {"85", SHOW("{'type':'TextInput','name':'n','label':'123456789012345678901'}"),
     "W MAX_CHARS_REQUIRED " AT0 "/label"},
    {"85", SHOW("{'type':'TextInput','name':'n','label':'ééééééééééé'}"), ""},
    {"85",
     ONE("7.3", "",
         "{'type':'Footer','label':'123456789012345678901234567890123456',"
         "'on-click-action':{'name':'complete','payload':{}}}"),
     "E MAX_CHARS_REQUIRED " AT0 "/label"},
};
FLOW_CASES_TEST(options)

/* ---- what stands where: rules 68-75, 84 ---- */

#define BODY "{'type':'TextBody','text':'x'}"
#define IF(then, more) "{'type':'If','condition':'${data.b}','then':[" then "]" more "}"
#define SWITCH(cases) "{'type':'Switch','value':'${data.s}','cases':{" cases "}}"
#define SB \
    "'data':{'s':{'type':'string','__example__':''},'b':{'type':'boolean','__example__':true}},"
#define BRANCH(component) ONE("7.3", SB, component "," FOOTER)
#define BRANCH_ONLY(component) ONE("7.3", SB, component)
#define CHILDREN "/screens/0/layout/children"
#define URL_LINK LINK("{'name':'open_url','url':'https://a.example'}")
#define NAMED(type, name) "{'type':'" type "','name':'" name "','label':'L'}"

static const flow_case_t structures[] = {
    {"68", SHOW(URL_LINK "," URL_LINK), ""},
    {"68", SHOW(URL_LINK "," URL_LINK "," URL_LINK),
     "E COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN " CHILDREN},
    {"68", ONE("3.0", "", FOOTER "," FOOTER),
     FROZEN "\nE MAX_FOOTER_PER_SCREEN " CHILDREN "\nE MORE_THAN_ONE_FOOTER " CHILDREN},
    {"68", SHOW(NAMED("PhotoPicker", "p") "," NAMED("PhotoPicker", "q")),
     "E COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN " CHILDREN},
    {"68", BRANCH(IF(URL_LINK "," URL_LINK, ",'else':[" URL_LINK "," URL_LINK "]")), ""},
    {"69", BRANCH(IF(FOOTER, ",'else':[" FOOTER "]")),
     "E COMPONENT_TYPE_MAX_NUMBER_PER_SCREEN " CHILDREN "\nE MORE_THAN_ONE_FOOTER " CHILDREN},
    {"70", BRANCH_ONLY(IF(FOOTER, ",'else':[" FOOTER "]")), ""},
    {"70", BRANCH_ONLY(IF(FOOTER, "")), "E MISSING_FOOTER_IN_IF_ELSE_BRANCHES " AT0},
    {"70", BRANCH_ONLY(IF(BODY, ",'else':[" FOOTER "]")),
     "E MISSING_FOOTER_IN_IF_ELSE_BRANCHES " AT0},
    {"70", BRANCH_ONLY(SWITCH("'a':[" FOOTER "],'b':[" BODY "]")),
     "E MISSING_FOOTER_IN_SWITCH_BRANCHES " AT0},
    {"70", BRANCH_ONLY(SWITCH("'a':[" FOOTER "],'b':[" FOOTER "]")), ""},
    {"70", BRANCH_ONLY(IF(IF(FOOTER, ",'else':[" FOOTER "]"), ",'else':[" FOOTER "]")),
     "E INVALID_COMPONENT_PLACEMENT " AT0 "/then/0/then/0\n"
     "E INVALID_COMPONENT_PLACEMENT " AT0 "/then/0/else/0"},
    {"71", BRANCH(IF(IF(IF(BODY, ""), ""), "")), ""},
    {"71", BRANCH(IF(IF(IF(IF(BODY, ""), ""), ""), "")),
     "E MAXIMUM_IF_NESTING " AT0 "/then/0/then/0/then/0"},
    {"71", BRANCH(IF("", "")), "E INVALID_PROPERTY_VALUE " AT0 "/then"},
    {"71", BRANCH(IF(BODY, ",'else':[]")), "W INVALID_PROPERTY_VALUE " AT0 "/else"},
    {"71", BRANCH(SWITCH("")), "E EMPTY_SWITCH_CASES " AT0 "/cases"},
    {"14", BRANCH("{'type':'Switch','value':'x','cases':{'a':[" BODY "]}}"),
     "E PATTERN_MISMATCH " AT0 "/value"},
    {"72", BRANCH(IF("{'type':'RichText','text':'x'}", "")),
     "W INVALID_RICHTEXT_PLACEMENT " CHILDREN "\nE INVALID_COMPONENT_PLACEMENT " AT0 "/then/0"},
    {"72", BRANCH(SWITCH("'a':[" IF(BODY, "") "]")),
     "E INVALID_COMPONENT_PLACEMENT " AT0 "/cases/a/0"},
    {"72", BRANCH(IF("{'type':'ChipsSelector','name':'d','label':'L'," OPTIONS "}", "")), ""},
    {"72",
     ONE("7.0", SB,
         IF("{'type':'ChipsSelector','name':'d','label':'L'," OPTIONS "}", "") "," FOOTER),
     "E INVALID_COMPONENT_PLACEMENT " AT0 "/then/0"},
    {"72", BRANCH(IF("{'type':'Form','name':'f','children':[" BODY "]}", "")),
     "E INVALID_COMPONENT_PLACEMENT " AT0 "/then/0\nE INVALID_COMPONENT_PLACEMENT " AT0 "/then/0"},
    {"73", ONE("5.1", "", "{'type':'RichText','text':'x'}," FOOTER),
     "E INVALID_RICHTEXT_PLACEMENT " CHILDREN},
    {"73", ONE("6.3", "", "{'type':'RichText','text':'x'}," FOOTER), ""},
    {"73", ONE("6.3", "", "{'type':'RichText','text':'x'}," BODY "," FOOTER),
     "W INVALID_RICHTEXT_PLACEMENT " CHILDREN},
    {"74", ONE("3.0", "", INPUT "," FOOTER), FROZEN "\nE KEYWORD_ONE_OF " AT0},
    {"74", SHOW(INPUT ",{'type':'Form','name':'f','children':[" BODY "]}"),
     "E COMPONENTS_OUTSIDE_FORM " AT0},
    {"74", SHOW(NAMED("CalendarPicker", "n") ",{'type':'Form','name':'f','children':[" BODY "]}"),
     "W COMPONENTS_OUTSIDE_FORM " AT0},
    {"75", SHOW(INPUT "," NAMED("TextArea", "n")),
     "E DUPLICATE_FORM_COMPONENT_NAMES /screens/0/layout/children/1/name"},
    {"75", BRANCH(IF(INPUT, ",'else':[" INPUT "]")),
     "E DUPLICATE_FORM_COMPONENT_NAMES " AT0 "/else/0/name"},
    {"75",
     BRANCH("{'type':'TextInput','name':'n','label':'L','visible':'${data.b}'},"
            "{'type':'TextInput','name':'n','label':'L','visible':'${data.b}'}"),
     "W DUPLICATE_FORM_COMPONENT_NAMES /screens/0/layout/children/1/name"},
    {"84", ONE("3.1", SB, IF(BODY, "") "," FOOTER), FROZEN "\nE INVALID_PROPERTY_KEY " AT0 "/type"},
    {"84",
     ONE("6.0", "", "{'type':'TextInput','name':'n','label':'L','label-variant':'large'}," FOOTER),
     "E INVALID_PROPERTY_KEY " AT0 "/label-variant"},
};
FLOW_CASES_TEST(structures)

/* ---- members that belong together: rules 76, 77, 79-83 ---- */

#define CAPTION(members)                         \
    ONE("7.3", "",                               \
        "{'type':'Footer','label':'Go'," members \
        "'on-click-action':{'name':'complete','payload':{}}}")
#define DATE(members) SHOW("{'type':'DatePicker','name':'d','label':'L'," members "}")
#define CALENDAR(members) SHOW("{'type':'CalendarPicker','name':'d'," members "}")
#define FORM(version, members)                                                                   \
    ONE(version, "",                                                                             \
        "{'type':'Form','name':'f'," members "'children':[" INPUT ",{'type':'OptIn','name':'c'," \
        "'label':'x'}," NAMED("PhotoPicker", "p") "," FOOTER "]}")

static const flow_case_t members[] = {
    {"76", CAPTION("'left-caption':'a','right-caption':'b',"), ""},
    {"76", CAPTION("'left-caption':'a',"), "E INVALID_DEPENDENCIES " AT0},
    {"76", CAPTION("'center-caption':'a','right-caption':'b',"),
     "E NOT_KEYWORD_SCHEMA_VALIDATION_FAILED " AT0},
    {"77", SHOW("{'type':'TextInput','name':'n','label':'L','min-chars':5,'max-chars':4}"),
     "E MIN_VALUE_GREATER_THAN_MAX " AT0 "/min-chars"},
    {"77",
     SHOW("{'type':'CheckboxGroup','name':'n','label':'L'," OPTIONS ",'min-selected-items':3,"
          "'max-selected-items':2}"),
     "E MIN_VALUE_GREATER_THAN_MAX " AT0 "/min-selected-items"},
    {"77",
     CALENDAR("'label':{'start-date':'a','end-date':'b'},'mode':'range','min-days':5,'max-days':4"),
     "E MIN_VALUE_GREATER_THAN_MAX " AT0 "/min-days\nE INVALID_MIN_MAX_DAYS " AT0 "/min-days"},
    {"79", DATE("'min-date':'2026-03-01','max-date':'2026-02-28'"),
     "E INVALID_DATE_RANGE " AT0 "/min-date"},
    {"79", DATE("'min-date':'2026-03-01','init-value':'2026-02-28'"),
     "E INVALID_DATE_RANGE " AT0 "/init-value"},
    {"79", DATE("'min-date':'2026-02-30'"), "E INVALID_PROPERTY_VALUE_FORMAT " AT0 "/min-date"},
    {"79", DATE("'min-date':'2024-02-29'"), ""},
    {"79", DATE("'unavailable-dates':['2026-01-01','soon']"),
     "E INVALID_PROPERTY_VALUE_FORMAT " AT0 "/unavailable-dates/1"},
    {"79", DATE("'init-value':'tomorrow'"),
     "E INVALID_DATE_SINGLE_INIT_VALUE_FORMAT " AT0 "/init-value"},
    {"79",
     ONE("4.0", "",
         "{'type':'DatePicker','name':'d','label':'L','min-date':'1767182400000',"
         "'max-date':'1693569600000'}," FOOTER),
     FROZEN "\nE INVALID_DATE_RANGE " AT0 "/min-date"},
    {"79", CALENDAR("'label':'L','init-value':{'start-date':'2026-01-01','end-date':'2026-01-02'}"),
     "E INVALID_DATE_SINGLE_INIT_VALUE_FORMAT " AT0 "/init-value"},
    {"79", CALENDAR("'label':'L','min-days':2"),
     "E UNEXPECTED_CALENDAR_PICKER_RANGE_MODE_PROP " AT0 "/min-days"},
    {"79", CALENDAR("'label':{'start-date':'a','end-date':'b'}"),
     "E UNEXPECTED_CALENDAR_PICKER_RANGE_MODE_PROP " AT0 "/label"},
    {"79", CALENDAR("'label':{'start-date':'a'},'mode':'range'"),
     "E MISSING_CALENDAR_PICKER_RANGE_MODE_PROP " AT0 "/label"},
    {"79", CALENDAR("'label':'L','mode':'range'"),
     "W MISSING_CALENDAR_PICKER_RANGE_MODE_PROP " AT0 "/label"},
    {"79",
     CALENDAR("'label':{'start-date':'a','end-date':'b'},'mode':'range','min-days':3,"
              "'init-value':{'start-date':'2026-01-01','end-date':'2026-01-02'}"),
     "E INVALID_MIN_MAX_DAYS " AT0 "/init-value"},
    {"12", CALENDAR("'label':'L','include-days':['Mon','Day']"),
     "E INVALID_ENUM_VALUE " AT0 "/include-days/1"},
    {"80", SHOW("{'type':'TextInput','name':'n','label':'L','pattern':'[0-9]+'}"),
     "E MISSING_REQUIRED_PROPERTY " AT0},
    {"80", SHOW("{'type':'TextInput','name':'n','label':'L','pattern':'.+'}"),
     "W MISSING_REQUIRED_PROPERTY " AT0},
    {"80",
     SHOW("{'type':'TextInput','name':'n','label':'L','pattern':'[0-9]+','helper-text':'Digits'}"),
     ""},
    {"81", FORM("7.3", "'init-values':{'p':[]},"),
     "E NATIVE_COMPONENT_IN_FORM_INIT_VALUES " AT0 "/init-values/p"},
    {"82", FORM("7.3", "'init-values':{'n':'x','c':true},"), ""},
    {"82", FORM("7.3", "'init-values':{'n':'x','c':'yes'},"),
     "E INVALID_PROPERTY_VALUE " AT0 "/init-values/c"},
    {"82", FORM("7.3", "'init-values':{'z':'x'},"),
     "E INVALID_PROPERTY_VALUE " AT0 "/init-values/z"},
    {"82", FORM("6.3", "'init-values':{'z':'x'},"),
     "W INVALID_PROPERTY_VALUE " AT0 "/init-values/z"},
    {"82", FORM("7.3", "'error-messages':{'n':5},"),
     "E INVALID_PROPERTY_VALUE " AT0 "/error-messages/n"},
    {"2.8 init",
     ONE("7.3", "",
         "{'type':'Form','name':'f','children':[{'type':'TextInput','name':'n',"
         "'label':'L','init-value':'x'}," FOOTER "]}"),
     "W INVALID_PROPERTY_KEY " AT0 "/children/0/init-value"},
};
FLOW_CASES_TEST(members)

/* ---- NavigationList and ImageCarousel: rules 72, 83, 84 ---- */

#define ITEM(id, more) "{'id':'" id "','main-content':{'title':'x'}" more "}"
#define OWN(screen) ",'on-click-action':" GO(screen)
#define NAV(members, items)                                                           \
    FLOW("7.3", "",                                                                   \
         SCREEN("A", "",                                                              \
                "{'type':'NavigationList','name':'l'," members "'list-items':[" items \
                "]}") "," LAST("B", "", FOOTER))
#define ITEMS AT0 "/list-items"
#define PICTURE "{'src':'iVBORw0KGgo=','alt-text':'x'}"

static const flow_case_t lists[] = {
    {"83", NAV("", ITEM("a", OWN("B")) "," ITEM("b", OWN("B"))), ""},
    {"83", NAV("'on-click-action':" GO("B") ",", ITEM("a", "") "," ITEM("b", "")), ""},
    {"83", NAV("'on-click-action':" GO("B") ",", ITEM("a", OWN("B"))),
     "E DUPLICATE_PROPETY_FOR_CONDITION " ITEMS "/0/on-click-action"},
    {"83", NAV("", ITEM("a", OWN("B")) "," ITEM("b", "")),
     "E MISSING_REQUIRED_TYPE_PROPERTY " ITEMS "/1"},
    {"83", NAV("'media-size':'large',", ITEM("a", OWN("B") ",'end':{'title':'x'}")),
     "E INVALID_PROPERTY_VALUE_FOR_CONDITION " ITEMS "/0/end"},
    {"83", NAV("", ITEM("a", OWN("B") ",'badge':'x'") "," ITEM("b", OWN("B") ",'badge':'y'")),
     "E INVALID_PROPERTY_VALUE_FOR_CONDITION " ITEMS "/1/badge"},
    {"10", NAV("", "{'id':'a','main-content':{}" OWN("B") "}"),
     "E MISSING_REQUIRED_TYPE_PROPERTY " ITEMS "/0/main-content"},
    {"15", NAV("", ITEM("a", OWN("B") ",'tags':['1','2','3','4']")),
     "E MAX_ITEMS_REQUIRED " ITEMS "/0/tags"},
    {"52", NAV("", ITEM("a", OWN("B")) "," ITEM("b", OWN("X"))),
     "W INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME " ITEMS "/1/on-click-action/next/name"},
    {"72",
     FLOW("7.3", "",
          SCREEN("A", "",
                 "{'type':'NavigationList','name':'l','list-items':[" ITEM(
                     "a", OWN("B")) "]}," BODY) "," LAST("B", "", FOOTER)),
     "W INVALID_COMPONENT_PLACEMENT " CHILDREN},
    {"72",
     FLOW("7.3", "",
          SCREEN("A", "",
                 "{'type':'NavigationList','name':'l','list-items':[" ITEM(
                     "a", OWN("B")) "]}," INPUT) "," LAST("B", "", FOOTER)),
     "E INVALID_COMPONENT_PLACEMENT " CHILDREN},
    {"84",
     FLOW("7.3", "",
          LAST("A", "",
               FOOTER ",{'type':'NavigationList','name':'l','list-items':[" ITEM(
                   "a", OWN("B")) "]}") "," LAST("B", "", FOOTER)),
     "E INVALID_COMPONENT_PLACEMENT " CHILDREN "\n"
     "E INVALID_PROPERTY_KEY /screens/0/layout/children/1"},
    {"15", SHOW("{'type':'ImageCarousel','images':[" PICTURE "," PICTURE "]}"), ""},
    {"15",
     SHOW("{'type':'ImageCarousel','images':[" PICTURE "," PICTURE "," PICTURE "," PICTURE "]}"),
     "E MAX_ITEMS_REQUIRED " AT0 "/images"},
    {"10", SHOW("{'type':'ImageCarousel','images':[{'src':'iVBORw0KGgo='}]}"),
     "E MISSING_REQUIRED_TYPE_PROPERTY " AT0 "/images/0"},
};
FLOW_CASES_TEST(lists)

/* ---- shapes that a strict reader would wrongly refuse ---- */

static const flow_case_t lenient[] = {
    {"-",
     ONE("7.3", "'data':{'l':{'type':'array','items':{'type':'string'},'__example__':[]}},",
         "{'type':'DatePicker','name':'d','label':'L','unavailable-dates':'${data.l}'}," FOOTER),
     ""},
    {"-", ONE("7.3", S_MODEL, "{'type':'CheckboxGroup','name':'c'," OPTIONS "}," FOOTER),
     "W MISSING_REQUIRED_TYPE_PROPERTY " AT0},
    {"-",
     ONE("2.1", "",
         "{'type':'Form','name':'f','children':[{'type':'CheckboxGroup','name':'c'," OPTIONS
         "}," FOOTER "]}"),
     FROZEN},
    {"-", SHOW("{'type':'PhotoPicker','name':'p','label':'L','required':true}"),
     "W INVALID_PROPERTY_KEY " AT0 "/required"},
    {"-", ONE("7.3", S_MODEL, "{'type':'TextBody','text':'Dear ${data.s}, hello'}," FOOTER),
     "W PATTERN_MISMATCH " AT0 "/text"},
};
FLOW_CASES_TEST(lenient)

int main(void)
{
    Suite *s = suite_create("flow_check_component");
    TCase *tc = wf_test_case(s, "flow_check_component");

    FLOW_CASES(tc, actions);
    FLOW_CASES(tc, payloads);
    FLOW_CASES(tc, options);
    FLOW_CASES(tc, structures);
    FLOW_CASES(tc, members);
    FLOW_CASES(tc, lists);
    FLOW_CASES(tc, lenient);
    return wf_test_run(s);
}
