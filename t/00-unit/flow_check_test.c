/* The Flow JSON check: document, screens, routes, data models, references, expressions; places and
 * hostile input. Actions and components: flow_check_component_test.c. */
#include "wf_flow_check_fixture.h"

/* ---- the flows that must pass, so that a case below shows the one thing it is about ---- */

static const flow_case_t good_flows[] = {
    {"-", SHOW("{'type':'TextBody','text':'Hello'}"), ""},
    {"-", FLOW("7.3", "", SCREEN("A", "", TO("B", "{}")) "," LAST("B", "", FOOTER)), ""},
    {"-",
     FLOW("7.3", ENDPOINT("{'A':['B'],'B':[]}"),
          SCREEN("A", "", EXCHANGE("{'op':'x'}")) "," LAST("B", "'refresh_on_back':true,", FOOTER)),
     ""},
};
FLOW_CASES_TEST(good_flows)

/* ---- document: rules 1-16 ---- */

static const flow_case_t documents[] = {
    {"2", "{'screens':[" LAST("A", "", FOOTER) "]}", "E MISSING_FLOW_JSON_VERSION "},
    {"3", ONE("7.9", "", FOOTER), "E INVALID_FLOW_JSON_VERSION /version"},
    {"3", ONE("1.0", "", FOOTER), "E INVALID_FLOW_JSON_VERSION /version"},
    {"3", ONE("seven", "", FOOTER), "E INVALID_FLOW_JSON_VERSION /version"},
    {"3", "{'version':7.3,'screens':[" LAST("A", "", FOOTER) "]}",
     "E INVALID_FLOW_JSON_VERSION /version"},
    {"4", "{'version':100,'screens':[" LAST("A", "", FOOTER) "]}",
     "E INVALID_FLOW_JSON_VERSION /version\nE UNSUPPORTED_FLOW_JSON_VERSION /version"},
    {"4", ONE("5.0", "", FOOTER), "W UNSUPPORTED_FLOW_JSON_VERSION /version"},
    {"4", ONE("5.1", "", FOOTER), ""},
    {"6", FLOW("7.3", "'data_api_version':'9.0','routing_model':{'A':[]},", LAST("A", "", FOOTER)),
     "E NO_SUPPORTED_DATA_API_VERSION /data_api_version"},
    {"6", FLOW("7.3", "'data_api_version':3,'routing_model':{'A':[]},", LAST("A", "", FOOTER)),
     "E INVALID_DATA_API_VERSION /data_api_version"},
    {"6", FLOW("7.3", "'data_api_version':'4.0','routing_model':{'A':[]},", LAST("A", "", FOOTER)),
     ""},
    {"7", FLOW("7.3", "'name':'x',", LAST("A", "", FOOTER)), "E INVALID_PROPERTY_KEY /name"},
    {"7", ONE("7.3", "'colour':1,", FOOTER), "E INVALID_PROPERTY_KEY /screens/0/colour"},
    {"7", SHOW("{'type':'TextBody','text':'x','placeholder':'y'}"),
     "E INVALID_PROPERTY_KEY " AT0 "/placeholder"},
    {"8", FLOW("7.3", "'data_channel_uri':'https://a.example/x',", LAST("A", "", FOOTER)),
     "E INVALID_PROPERTY_KEY /data_channel_uri"},
    {"8", FLOW("2.1", "'data_channel_uri':'https://a.example/x',", LAST("A", "", FOOTER)),
     "W UNSUPPORTED_FLOW_JSON_VERSION /version"},
    {"9", FLOW("2.1", "'data_channel_uri':'placeholder_uri',", LAST("A", "", FOOTER)),
     "W UNSUPPORTED_FLOW_JSON_VERSION /version\n"
     "E INVALID_PROPERTY_VALUE_FORMAT /data_channel_uri"},
    {"10", "{'version':'7.3'}", "E MISSING_REQUIRED_PROPERTY "},
    {"10", FLOW("7.3", "", "{'id':'A','title':'T','terminal':true}"),
     "E MISSING_FOOTER_ON_TERMINAL_SCREEN /screens/0\nE MISSING_REQUIRED_PROPERTY /screens/0"},
    {"10", SHOW("{'type':'TextBody'}"), "E MISSING_REQUIRED_TYPE_PROPERTY " AT0},
    {"10", SHOW("{'text':'x'}"), "E MISSING_REQUIRED_TYPE_PROPERTY " AT0},
    {"11", SHOW("{'type':'TextBody','text':5}"), "E INVALID_PROPERTY_TYPE " AT0 "/text"},
    {"11", ONE("7.3", "'data':[],", FOOTER), "E INVALID_PROPERTY_TYPE /screens/0/data"},
    {"11", FLOW("7.3", "", LAST("A", "", FOOTER) ",7"), "E INVALID_PROPERTY_TYPE /screens/1"},
    {"12", SHOW("{'type':'TextBody','text':'x','font-weight':'heavy'}"),
     "E INVALID_ENUM_VALUE " AT0 "/font-weight"},
    {"13", SHOW("{'type':'NewComponent'}"), "E INVALID_PROPERTY_VALUE " AT0 "/type"},
    {"13", FLOW("7.3", "", "{'id':'A','title':'T','layout':'x','terminal':true}"),
     "E MISSING_FOOTER_ON_TERMINAL_SCREEN /screens/0\n"
     "E INVALID_PROPERTY_VALUE /screens/0/layout"},
    {"13",
     FLOW("7.3", "",
          "{'id':'A','title':'T','terminal':true,'layout':{'type':'TwoColumnLayout',"
          "'children':[" FOOTER "]}}"),
     "E INVALID_PROPERTY_VALUE /screens/0/layout/type"},
    {"14", SHOW("{'type':'TextInput','name':'n','label':'L','required':'yes'}"),
     "E PATTERN_MISMATCH " AT0 "/required"},
    {"14", SHOW("{'type':'TextInput','name':'n','label':'L','max-chars':'10'}"),
     "W PATTERN_MISMATCH " AT0 "/max-chars"},
    {"14", SHOW("{'type':'TextBody','text':'${name}'}"), "E PATTERN_MISMATCH " AT0 "/text"},
    {"14", SHOW("{'type':'TextBody','text':'${data.x'}"), "E PATTERN_MISMATCH " AT0 "/text"},
    {"14", SHOW("{'type':'TextBody','text':'${data..x}'}"), "E PATTERN_MISMATCH " AT0 "/text"},
    {"14", SHOW("{'type':'TextInput','name':'${data.x}','label':'L'}"),
     "E PATTERN_MISMATCH " AT0 "/name"},
    {"14", SHOW("{'type':'TextBody','text':'  '}"), "E PATTERN_MISMATCH " AT0 "/text"},
    {"14", ONE("5.1", "", "{'type':'TextBody','text':'  '}," FOOTER),
     "W PATTERN_MISMATCH " AT0 "/text"},
    {"15", "{'version':'7.3','screens':[]}", "E MIN_ITEMS_REQUIRED /screens"},
    {"15", FLOW("7.3", "", LAST("", "", FOOTER)), "E MIN_CHARS_REQUIRED /screens/0/id"},
    {"15", SHOW("{'type':'Dropdown','name':'d','label':'L','data-source':[]}"),
     "E MIN_ITEMS_REQUIRED " AT0 "/data-source"},
    {"15",
     SHOW("{'type':'ChipsSelector','name':'d','label':'L','data-source':[{'id':'1','title':'O'}]}"),
     "E MIN_ITEMS_REQUIRED " AT0 "/data-source"},
    {"15",
     FLOW("7.3", "",
          "{'id':'A','title':'T','layout':{'type':'SingleColumnLayout'}},"
          "" LAST("B", "", FOOTER)),
     "E INVALID_ROUTING_MODEL /screens/0\nE MIN_ITEMS_REQUIRED /screens/0/layout\n"
     "E INVALID_ROUTING_MODEL /screens/1"},
    {"16", SHOW("{'type':'PhotoPicker','name':'p','label':'L','min-uploaded-photos':-1}"),
     "E MINIMUM_VALUE_REQUIRED " AT0 "/min-uploaded-photos"},
    {"16", SHOW("{'type':'PhotoPicker','name':'p','label':'L','max-uploaded-photos':31}"),
     "E MAXIMUM_VALUE_REQUIRED " AT0 "/max-uploaded-photos"},
    {"16", SHOW("{'type':'DocumentPicker','name':'p','label':'L','max-file-size-kb':25601}"),
     "E MAXIMUM_VALUE_REQUIRED " AT0 "/max-file-size-kb"},
};
FLOW_CASES_TEST(documents)

/* ---- screens: rules 17-28 ---- */

static const flow_case_t screens[] = {
    {"18",
     FLOW("7.3", "",
          SCREEN("A", "", TO("B", "{}")) "," LAST("B", "", FOOTER) "," LAST("B", "", FOOTER)),
     "E DUPLICATE_SCREEN_IDS /screens/2/id"},
    {"19", FLOW("7.3", "", LAST("Success", "", FOOTER)),
     "E SCREEN_ID_IS_RESERVED_KEYWORD /screens/0/id"},
    {"20", FLOW("7.3", "", LAST("STEP_1", "", FOOTER)), "E PATTERN_MISMATCH /screens/0/id"},
    {"20", FLOW("7.3", "", LAST("STEP-A", "", FOOTER)), "E PATTERN_MISMATCH /screens/0/id"},
    {"21", FLOW("7.3", "", SCREEN("A", "", EXCHANGE("{}"))),
     "E MISSING_TERMINAL_SCREEN /screens\nE INVALID_ROUTING_MODEL /screens/0\n"
     "E MISSING_REQUIRED_PROPERTY " AT0 "/on-click-action"},
    {"22", ONE("7.3", "'success':false,", FOOTER), "E INVALID_PROPERTY_VALUE /screens"},
    {"22", FLOW("7.3", "", SCREEN("A", "", TO("B", "{}")) "," LAST("B", "'success':true,", FOOTER)),
     ""},
    {"23", FLOW("7.3", "", SCREEN("A", "'success':true,", TO("B", "{}")) "," LAST("B", "", FOOTER)),
     "E NOT_KEYWORD_SCHEMA_VALIDATION_FAILED /screens/0/success"},
    {"24", ONE("7.3", "", "{'type':'TextBody','text':'x'}"),
     "E MISSING_FOOTER_ON_TERMINAL_SCREEN /screens/0"},
    {"25", ONE("7.3", "'refresh_on_back':true,", FOOTER),
     "E INVALID_PROPERTY_VALUE /screens/0/refresh_on_back"},
    {"25", ONE("7.3", "'refresh_on_back':false,", FOOTER), ""},
    {"27",
     ONE("7.3", "'sensitive':['n','m'],", "{'type':'TextInput','name':'n','label':'L'}," FOOTER),
     "E INVALID_SENSITIVE_FIELD /screens/0/sensitive/1"},
    {"28", FLOW("7.3", "", "{'id':'A','terminal':true," LAYOUT(FOOTER) "}"),
     "W MISSING_REQUIRED_PROPERTY /screens/0"},
    {"84", ONE("5.0", "'sensitive':['n'],", "{'type':'TextInput','name':'n','label':'L'}," FOOTER),
     "W UNSUPPORTED_FLOW_JSON_VERSION /version\nE INVALID_PROPERTY_KEY /screens/0/sensitive"},
};
FLOW_CASES_TEST(screens)

/* ---- routes: rules 29-40 ---- */

#define PAIR SCREEN("A", "", EXCHANGE("{}")) "," LAST("B", "", FOOTER)
#define TRIO                        \
    SCREEN("A", "", EXCHANGE("{}")) \
    "," SCREEN("B", "", EXCHANGE("{}")) "," LAST("C", "", FOOTER)
#define LINK(screen)                                                                         \
    "{'type':'EmbeddedLink','text':'x','on-click-action':{'name':'navigate','next':{'type':" \
    "'screen','name':'" screen "'},'payload':{}}}"

static const flow_case_t routes[] = {
    {"29", ONE("7.3", "", EXCHANGE("{}")), "E MISSING_REQUIRED_PROPERTY " AT0 "/on-click-action"},
    {"29", FLOW("7.3", "'routing_model':{'A':['B'],'B':[]},", PAIR),
     "W INVALID_ROUTING_MODEL /routing_model\n"
     "W MISSING_REQUIRED_PROPERTY " AT0 "/on-click-action"},
    {"30", FLOW("7.3", "'data_api_version':'3.0',", PAIR), "E MISSING_REQUIRED_PROPERTY "},
    {"30", FLOW("7.3", "'data_api_version':'3.0',", LAST("A", "", FOOTER)),
     "W MISSING_REQUIRED_PROPERTY "},
    {"30", FLOW("7.3", ENDPOINT("{}"), PAIR), "W INVALID_ROUTING_MODEL /routing_model"},
    {"31", FLOW("7.3", ENDPOINT("{'A':['B'],'B':[]}"), TRIO),
     "E INVALID_ROUTING_MODEL /routing_model\nW INVALID_ROUTING_MODEL /routing_model\n"
     "E INVALID_ROUTING_MODEL /routing_model/B"},
    {"31", FLOW("7.3", ENDPOINT("{'A':['B']}"), PAIR), "W INVALID_ROUTING_MODEL /routing_model"},
    {"32", FLOW("7.3", ENDPOINT("{'A':['B'],'B':[],'X':[]}"), PAIR),
     "E INVALID_ROUTING_MODEL /routing_model/X"},
    {"32", FLOW("7.3", ENDPOINT("{'A':['B','X'],'B':[]}"), PAIR),
     "E INVALID_ROUTING_MODEL /routing_model/A/1"},
    {"33",
     FLOW("7.3", ENDPOINT("{'A':['B','B','B','B','B','B','B','B','B','B','B'],'B':[]}"), PAIR),
     "E INVALID_ROUTING_MODEL /routing_model/A"},
    {"34", FLOW("7.3", ENDPOINT("{'A':['A','B'],'B':[]}"), PAIR),
     "E INVALID_ROUTING_MODEL /routing_model/A"},
    {"34", FLOW("7.3", ENDPOINT("{'A':['B'],'B':['A','C'],'C':[]}"), TRIO),
     "E INVALID_ROUTING_MODEL /routing_model/B"},
    {"34",
     FLOW("7.3", ENDPOINT("{'A':['B'],'B':['C'],'C':['D'],'D':['B']}"),
          TRIO "," LAST("D", "", FOOTER)),
     "E INVALID_ROUTING_MODEL /routing_model/B"},
    {"35", FLOW("7.3", ENDPOINT("{'A':['B'],'B':['A']}"), PAIR),
     "E INVALID_ROUTING_MODEL /routing_model/B"},
    {"35", FLOW("7.3", ENDPOINT("{'A':['B'],'B':['C'],'C':['A']}"), TRIO),
     "E INVALID_ROUTING_MODEL /routing_model\nE INVALID_ROUTING_MODEL /routing_model/A"},
    {"36", FLOW("7.3", ENDPOINT("{'A':['C'],'B':[],'C':[]}"), TRIO),
     "E INVALID_ROUTING_MODEL /routing_model/B\nE INVALID_ROUTING_MODEL /routing_model/B"},
    {"36", FLOW("7.3", ENDPOINT("{'A':['B'],'B':[],'C':[]}"), PAIR "," LAST("C", "", FOOTER)),
     "W INVALID_ROUTING_MODEL /routing_model/C"},
    {"37", FLOW("7.3", ENDPOINT("{'A':['B','C'],'B':[],'C':[]}"), TRIO),
     "E INVALID_ROUTING_MODEL /routing_model/B"},
    {"37",
     FLOW("7.3", "",
          LAST("A", "", LINK("TERMS") "," FOOTER) "," SCREEN("TERMS", "",
                                                             "{'type':'TextBody','text':'x'}")),
     "W INVALID_ROUTING_MODEL /screens/1"},
    {"38",
     FLOW("7.3", ENDPOINT("{'A':['B'],'B':['C'],'C':[]}"),
          SCREEN("A", "", TO("C", "{}")) "," SCREEN("B", "", EXCHANGE("{}")) "," LAST("C", "",
                                                                                      FOOTER)),
     "E INVALID_ROUTING_MODEL " AT0 "/on-click-action/next/name"},
    {"38",
     FLOW("7.3", ENDPOINT("{'A':['B'],'B':[]}"),
          SCREEN("A", "", EXCHANGE("{}")) "," LAST("B", "", LINK("A") "," FOOTER)),
     "W INVALID_ROUTING_MODEL /screens/1/layout/children/0/on-click-action/next/name"},
    {"39 36",
     FLOW("7.3", "",
          SCREEN("A", "", TO("B", "{}")) "," LAST("B", "", FOOTER) "," LAST("C", "", FOOTER)),
     "E INVALID_ROUTING_MODEL /screens/2"},
    {"39 34 37", FLOW("7.3", "", SCREEN("A", "", TO("B", "{}")) "," SCREEN("B", "", TO("A", "{}"))),
     "E MISSING_TERMINAL_SCREEN /screens\nE INVALID_ROUTING_MODEL /screens/1\n"
     "E INVALID_ROUTING_MODEL /screens/1"},
    {"39 34",
     FLOW("7.3", "", SCREEN("A", "", TO("B", "{}")) "," LAST("B", "", LINK("A") "," FOOTER)),
     "W INVALID_ROUTING_MODEL /screens/1"},
    {"40", FLOW("7.3", "'routing_model':{'A':[]},", LAST("A", "", FOOTER)),
     "W INVALID_ROUTING_MODEL /routing_model"},
};
FLOW_CASES_TEST(routes)

/* ---- data models: rules 41-43, 67, 87 ---- */

#define DATA(declarations) ONE("7.3", "'data':{" declarations "},", FOOTER)
#define K "/screens/0/data/k"

static const flow_case_t models[] = {
    {"41", DATA("'k':{'__example__':''}"), "E INVALID_SCREEN_DATA " K},
    {"41", DATA("'k':{'type':123,'__example__':''}"), "E INVALID_SCREEN_DATA " K "/type"},
    {"41", DATA("'k':{'type':'date','__example__':''}"), "E INVALID_SCREEN_DATA " K "/type"},
    {"41", DATA("'k':'value'"), "E INVALID_SCREEN_DATA " K},
    {"42", DATA("'k':{'type':'array','__example__':[]}"), "E INVALID_SCREEN_DATA " K},
    {"42", DATA("'k':{'type':'array','__example__':[1]}"), "W INVALID_SCREEN_DATA " K},
    {"42", DATA("'k':{'type':'array','items':'string','__example__':[]}"),
     "E INVALID_SCREEN_DATA " K "/items"},
    {"42", DATA("'k':{'type':'array','items':true,'__example__':[1,'a']}"), ""},
    {"43", DATA("'k':{'type':'string'}"), "E INVALID_SCREEN_DATA " K},
    {"43", DATA("'k':{'type':'string','__example__':''}"), ""},
    {"43", DATA("'k':{'type':'number','__example__':'1'}"),
     "E INVALID_SCREEN_DATA " K "/__example__"},
    {"43",
     DATA("'k':{'type':'object','properties':{'a':{'type':'string','__example__':'x'}},"
          "'__example__':{'a':'x'}}"),
     "E INVALID_SCREEN_DATA " K "/properties/a/__example__"},
    {"43",
     DATA("'k':{'type':'object','properties':{'a':{'type':'number'},'__example__':{'a':1}},"
          "'__example__':{'a':1}}"),
     "E INVALID_SCREEN_DATA " K "/properties/__example__"},
    {"43",
     DATA("'k':{'type':'object','properties':{'a':{'type':'number'}},'__example__':{'a':'1'}}"),
     "W INVALID_SCREEN_DATA " K "/__example__"},
    {"67", DATA("'error_message':{'type':'string','__example__':''}"),
     "W INVALID_SCREEN_DATA /screens/0/data/error_message"},
    {"87", DATA("'k':{'type':'string','__example__':null}"),
     "W INVALID_SCREEN_DATA " K "/__example__"},
};
FLOW_CASES_TEST(models)

/* ---- references: rules 44-49 ---- */

#define MODEL                                                                                   \
    "'data':{'s':{'type':'string','__example__':''},'n':{'type':'number','__example__':1},"     \
    "'b':{'type':'boolean','__example__':true},'a':{'type':'array','items':{'type':'string'},"  \
    "'__example__':['x']},'o':{'type':'object','properties':{'p':{'type':'string'}},"           \
    "'__example__':{'p':'x'}},'free':{'type':'object','__example__':{}},"                       \
    "'list':{'type':'array','items':{'type':'object','properties':{'id':{'type':'string'},"     \
    "'title':{'type':'string'}}},'__example__':[{'id':'1','title':'x'}]},"                      \
    "'ids':{'type':'array','items':{'type':'object','properties':{'id':{'type':'string'}}},"    \
    "'__example__':[{'id':'1'}]},"                                                              \
    "'bare':{'type':'array','items':{'type':'object'},'__example__':[{'id':'1','title':'x'}]}," \
    "'shown':{'type':'array','__example__':[{'id':'1','title':'x'}]}},"
#define BODY(text) "{'type':'TextBody','text':'" text "'}"
#define BOUND(component) ONE("7.3", MODEL, component "," FOOTER)
/* MODEL's list without items warns on its own. */
#define SHOWN_WARNS "W INVALID_SCREEN_DATA /screens/0/data/shown"
#define CHOICE(list) "{'type':'Dropdown','name':'d','label':'L','data-source':'${data." list "}'}"
#define TWO(version, text)                                                                      \
    FLOW(version, "",                                                                           \
         SCREEN("A", "'data':{'s':{'type':'string','__example__':''}},",                        \
                "{'type':'Form','name':'f','children':[{'type':'TextInput','name':'n','label':" \
                "'L'}," TO("B", "{}") "]}") "," LAST("B", "", BODY(text) "," FOOTER))
#define TEXT_B "/screens/1/layout/children/0/text"

static const flow_case_t references[] = {
    {"44", BOUND(BODY("${data.s}")), SHOWN_WARNS},
    {"44", BOUND(BODY("${data.none}")), SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"44", BOUND(BODY("${data.o.p}")), SHOWN_WARNS},
    {"44", BOUND(BODY("${data.o.none}")),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"44", BOUND(BODY("${data.free.p}")),
     SHOWN_WARNS "\nW INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"44", BOUND(BODY("${form.none}")), SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"44 mixed", BOUND(BODY("Hello ${data.none}")),
     SHOWN_WARNS "\nW PATTERN_MISMATCH " AT0 "/text\nW INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"44 form",
     ONE("7.3", "",
         "{'type':'Form','name':'f','init-values':'${data.none}','children':["
         "{'type':'TextInput','name':'n','label':'L'}," FOOTER "]}"),
     "W INVALID_SCREEN_DYNAMIC_DATA " AT0 "/init-values"},
    {"45", BOUND("{'type':'TextHeading','text':'${data.b}'}"),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"45", BOUND("{'type':'TextHeading','text':'${data.a}'}"),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"45", BOUND(BODY("${data.a}")), SHOWN_WARNS},
    {"45", BOUND("{'type':'TextBody','text':'x','visible':'${data.s}'}"),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/visible"},
    {"45", BOUND("{'type':'PhotoPicker','name':'p','label':'L','error-message':'${data.b}'}"),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/error-message"},
    {"45", BOUND(CHOICE("s")), SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source"},
    {"46", BOUND(CHOICE("list")), SHOWN_WARNS},
    {"46", BOUND(CHOICE("ids")), SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source"},
    {"46", BOUND(CHOICE("bare")),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source\n"
                 "E INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source"},
    {"46", BOUND(CHOICE("shown")),
     SHOWN_WARNS "\nW INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source\n"
                 "W INVALID_SCREEN_DYNAMIC_DATA " AT0 "/data-source"},
    {"47", TWO("7.3", "${screen.A.data.s}"), ""},
    {"47", TWO("7.3", "${screen.A.form.n}"), ""},
    {"47", TWO("7.3", "${screen.A.data.none}"), "E INVALID_SCREEN_DYNAMIC_DATA " TEXT_B},
    {"47", TWO("7.3", "${screen.A.form.none}"), "E INVALID_SCREEN_DYNAMIC_DATA " TEXT_B},
    {"47", TWO("7.3", "${screen.X.data.s}"), "E INVALID_SCREEN_DYNAMIC_DATA " TEXT_B},
    {"47", TWO("7.3", "${screen.A}"), "E INVALID_SCREEN_DYNAMIC_DATA " TEXT_B},
    {"47", TWO("7.3", "${screen.A.n}"), "W PATTERN_MISMATCH " TEXT_B},
    {"47", TWO("7.3", "${screen.A.none}"), "E INVALID_SCREEN_DYNAMIC_DATA " TEXT_B},
    {"47", BOUND(BODY("${screen.A.data.s}")),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"47", BOUND(BODY("${data.list.id}")),
     SHOWN_WARNS "\nE INVALID_SCREEN_DYNAMIC_DATA " AT0 "/text"},
    {"48", ONE("7.3", MODEL, "{'type':'RichText','text':'${data.b}'}," FOOTER),
     SHOWN_WARNS "\nE INVALID_TEXT_DYNAMIC_DATA " AT0 "/text"},
    {"48", ONE("7.3", MODEL, "{'type':'RichText','text':'${data.a}'}," FOOTER), SHOWN_WARNS},
    {"49", TWO("3.1", "${screen.A.data.s}"),
     "W UNSUPPORTED_FLOW_JSON_VERSION /version\nE INVALID_PROPERTY_VALUE " TEXT_B},
    {"49",
     ONE("5.1", "'data':{'s':{'type':'string','__example__':''}},", BODY("`${data.s}`") "," FOOTER),
     "E INVALID_PROPERTY_VALUE " AT0 "/text"},
};
FLOW_CASES_TEST(references)

/* ---- expressions: rules 50 and 58 ---- */

/* The data model of conditions and texts: s string, n number, b boolean. */
#define SNB                                                                                 \
    "'data':{'s':{'type':'string','__example__':''},'n':{'type':'number','__example__':1}," \
    "'b':{'type':'boolean','__example__':true}},"
#define WHEN(condition) \
    ONE("7.3", SNB, "{'type':'If','condition':'" condition "','then':[" BODY("x") "]}," FOOTER)
#define SAY(text) ONE("7.3", SNB, BODY(text) "," FOOTER)
#define BAD_IF "E INVALID_PROPERTY_VALUE " AT0 "/condition"
#define ODD_IF "W INVALID_PROPERTY_VALUE " AT0 "/condition"
#define BAD_TEXT "E INVALID_PROPERTY_VALUE " AT0 "/text"

static const flow_case_t expressions[] = {
    {"50", WHEN("${data.b}"), ""},
    {"50", WHEN("!${data.b}"), ""},
    {"50", WHEN("(${data.n} > 3) && !(${data.s} == ^x^)"), ""},
    {"50", WHEN("((${data.n} >= -3.5) || ${data.b}) != false"), ""},
    {"50", WHEN(""), BAD_IF},
    {"50", WHEN("( )"), BAD_IF},
    {"50", WHEN("(${data.n} == 1"), BAD_IF},
    {"50", WHEN("${data.n} == 1)"), BAD_IF},
    {"50", WHEN("${data.s} == ^x"), BAD_IF},
    {"50", WHEN("${data.s} =="), BAD_IF},
    {"50", WHEN("== ${data.s}"), BAD_IF},
    {"50", WHEN("${data.s} ${data.b}"), BAD_IF},
    {"50", WHEN("${data.s} = ^x^"), BAD_IF},
    {"50", WHEN("${data.n} + 1"), BAD_IF},
    {"50", WHEN("${data.b} & ${data.b}"), BAD_IF},
    {"50", WHEN("${data.n} == -a"), BAD_IF},
    {"50", WHEN("${data.s} == 1"), BAD_IF},
    {"50", WHEN("${data.s} > ^x^"), BAD_IF},
    {"50", WHEN("!${data.s}"), BAD_IF},
    {"50", WHEN("${data.s} && ${data.b}"), BAD_IF},
    {"50", WHEN("(1 == 1) && ${data.b}"), BAD_IF},
    {"50", WHEN("${data.s}"), BAD_IF},
    {"50", WHEN("true"), BAD_IF},
    {"50", WHEN("1 == 1"), BAD_IF "\n" BAD_IF},
    {"50", WHEN("${data.none} == 1"), "E INVALID_SCREEN_DYNAMIC_DATA " AT0 "/condition"},
    {"50", WHEN("maybe == ^x^"), BAD_IF},
    {"50 bare", WHEN("s == ^x^"), ODD_IF},
    {"50 mix", WHEN("${data.n} == 1 && ${data.b}"), ODD_IF},
    {"50 paren", WHEN("(${data.b})"), ODD_IF},
    {"50 backtick", WHEN("`${data.b}`"), ODD_IF},
    {"50", SAY("`^Hello ^ ${data.s} ^!^`"), ""},
    {"50", SAY("`${data.n} ^ of 10^`"), ""},
    {"50", SAY("`Hello ${data.s}`"), BAD_TEXT},
    {"50", SAY("`^Hello^`"), BAD_TEXT},
    {"50", SAY("``"), BAD_TEXT},
    {"50", SAY("`${data.s} / 2`"), BAD_TEXT},
    {"50", SAY("`${data.s} + ^x^`"), "W INVALID_PROPERTY_VALUE " AT0 "/text"},
    {"50",
     ONE("7.3", SNB, "{'type':'TextBody','text':'x','visible':'`${data.n} % 2 == 0`'}," FOOTER),
     ""},
    {"45", ONE("7.3", SNB, "{'type':'TextBody','text':'x','visible':'`${data.n} % 2`'}," FOOTER),
     "E INVALID_SCREEN_DYNAMIC_DATA " AT0 "/visible"},
    {"14", ONE("7.3", SNB, "{'type':'TextBody','text':'x','visible':'${data.s == ^x^}'}," FOOTER),
     "W PATTERN_MISMATCH " AT0 "/visible"},
    {"14", ONE("7.3", SNB, "{'type':'TextBody','text':'x','visible':'${data.s == }'}," FOOTER),
     "E PATTERN_MISMATCH " AT0 "/visible"},
    {"58",
     ONE("7.3", SNB,
         "{'type':'Footer','label':'Go','on-click-action':{'name':'complete','payload':"
         "{'x':'`${data.n} +`'}}}"),
     "E INVALID_ACTION_PAYLOAD_PROPERTY " AT0 "/on-click-action/payload/x"},
};
FLOW_CASES_TEST(expressions)

/* ---- places, form, hostile input ---- */

START_TEST(an_issue_names_its_place_three_ways)
{
    const char *text = "{\"version\": \"7.3\",\n \"screens\": [{\"id\": \"A\", \"title\": \"T\",\n"
                       "  \"terminal\": true, \"layout\": {\"type\": \"SingleColumnLayout\",\n"
                       "   \"children\": [{\"type\": \"TextBody\", \"text\": \"x\",\n"
                       "     \"a/b\": 1},\n   {\"type\": \"Footer\", \"label\": \"Go\",\n"
                       "    \"on-click-action\": {\"name\": \"complete\", \"payload\": {}}}]}}]}";
    wf_issues_t issues;
    const wf_issue_t *issue;
    const wf_json_t *json, *first;

    flow_check_text(&issues, text);
    ck_assert_int_eq(issues.errors, 1);
    ck_assert_int_eq(issues.warnings, 0);
    issue = &APR_ARRAY_IDX(issues.issues, 0, wf_issue_t);
    ck_assert_str_eq(issue->pointer, "/screens/0/layout/children/0/a~1b");
    ck_assert_str_eq(issue->path, "screens[0].layout.children[0].a/b");
    ck_assert_int_eq(issue->span.line_start, 5);
    ck_assert_int_eq(issue->span.column_start, 6);
    ck_assert_int_eq(issue->span.line_end, 5);
    ck_assert_int_eq(issue->span.column_end, 13);
    json = wf_issues_json(test_pool, &issues);
    first = wf_json_at(json, 0);
    ck_assert_int_eq((int)wf_json_len(json), 1);
    ck_assert_str_eq(wf_json_get_str(first, "error", ""), "INVALID_PROPERTY_KEY");
    ck_assert_str_eq(wf_json_get_str(first, "error_type", ""), "FLOW_JSON_ERROR");
    ck_assert_str_eq(wf_json_get_str(first, "level", ""), "error");
    ck_assert_str_eq(wf_json_get_str(first, "pointer", ""), issue->pointer);
    ck_assert_int_eq(wf_json_get_int(first, "line_start", 0), 5);
    first = wf_json_at(wf_json_get(first, "pointers"), 0);
    ck_assert_str_eq(wf_json_get_str(first, "path", ""), issue->path);
    ck_assert_int_eq(wf_json_get_int(first, "column_end", 0), 13);
}
END_TEST

START_TEST(a_message_names_the_value_and_what_would_be_right)
{
    wf_issues_t issues;
    const char *message;

    flow_check_text(&issues, flow_text(SHOW("{'type':'TextInput','name':'n','label':'L',"
                                            "'input-type':'date'}")));
    message = APR_ARRAY_IDX(issues.issues, 0, wf_issue_t).message;
    ck_assert_ptr_nonnull(strstr(message, "\"date\""));
    ck_assert_ptr_nonnull(strstr(message, "passcode"));
    flow_check_text(&issues, flow_text(SHOW("{'type':'TextInput','name':'n','label':'L',"
                                            "'helperText':'x'}")));
    message = APR_ARRAY_IDX(issues.issues, 0, wf_issue_t).message;
    ck_assert_ptr_nonnull(strstr(message, "\"helper-text\""));
}
END_TEST

static const wf_issue_t *only_issue(wf_issues_t *issues, const char *text, size_t len)
{
    wf_json_t *doc;

    ck_assert_int_eq(wf_flow_check(test_ctx, issues, &doc, text, len), WF_OK);
    ck_assert_int_eq(issues->errors, 1);
    ck_assert_int_eq(issues->issues->nelts, 1);
    return &APR_ARRAY_IDX(issues->issues, 0, wf_issue_t);
}

START_TEST(what_is_not_json_is_refused_and_says_where)
{
    static const char *const texts[] = {"", "{", "[1,]", "{\"version\":\"7.3\",,}", "{} x", "\xff"};
    wf_issues_t issues;
    wf_json_t *doc;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const wf_issue_t *issue = only_issue(&issues, texts[i], strlen(texts[i]));
        ck_assert_str_eq(issue->error, "INVALID_FLOW_JSON");
        ck_assert_str_eq(issue->pointer, "");
        ck_assert_int_eq(issue->span.line_start, 0);
        ck_assert_int_eq(wf_flow_check(test_ctx, &issues, &doc, texts[i], strlen(texts[i])), WF_OK);
        ck_assert_ptr_null(doc);
    }
    ck_assert_str_eq(only_issue(&issues, "[]", 2)->error, "INVALID_FLOW_JSON");
    ck_assert_int_eq(test_ctx->err.status, WF_OK);
}
END_TEST

/* A text of `count` pieces between `head` and `tail`; # in a piece becomes its number. */
static const char *repeated(size_t *len, const char *head, const char *piece, const char *tail,
                            int count)
{
    wf_buf_t buf;
    const char *q;
    char *p;
    int i;

    wf_buf_init(&buf, test_pool, 1 << 20, 32 << 20);
    wf_buf_puts(&buf, head);
    for (i = 0; i < count; i++) {
        wf_buf_puts(&buf, i ? "," : "");
        for (q = piece; *q; q++) {
            if (*q == '#') {
                wf_buf_printf(&buf, "%d", i);
            } else {
                wf_buf_putc(&buf, *q);
            }
        }
    }
    wf_buf_puts(&buf, tail);
    ck_assert(!buf.failed);
    for (p = buf.data; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    *len = buf.len;
    return buf.data;
}

static void takes_less_than(const char *text, size_t len, int errors, apr_interval_time_t limit)
{
    apr_time_t begin = apr_time_now();
    wf_issues_t issues;
    wf_json_t *doc;

    ck_assert_int_eq(wf_flow_check(test_ctx, &issues, &doc, text, len), WF_OK);
    ck_assert_int_ge(issues.errors, errors);
    ck_assert_int_le(issues.issues->nelts, 400);
    ck_assert_msg(apr_time_now() - begin < limit, "took %d ms",
                  (int)((apr_time_now() - begin) / 1000));
}

/* Generous: it is to tell linear from quadratic, under valgrind and on a busy machine too. */
#define SLOW apr_time_from_sec(20)

START_TEST(hostile_documents_are_refused_quickly)
{
    static const struct {
        const char *head, *piece, *tail;
        int count;
    } makers[] = {
        {"[", "{}", "]", 1000000},
        {"{", "'k#':1", "}", 400000},
        {"{'version':'7.3','screens':[", "{'id':'S#','layout':{}}", "]}", 60000},
        {"{'version':'7.3','screens':[{'id':'A','terminal':true,'layout':{'type':"
         "'SingleColumnLayout','children':[",
         "{'type':'TextInput','name':'n','label':'L'}", "]}}]}", 90000},
        {"{'version':'7.3','screens':[{'id':'A','terminal':true,'layout':{'type':"
         "'SingleColumnLayout','children':[{'type':'Dropdown','name':'d','label':'L','data-source':"
         "[",
         "{'id':'1','title':'x'}", "]}]}}]}", 100000},
        {"{'version':'7.3','data_api_version':'3.0','routing_model':{'A':[", "'A'",
         "]},'screens':[{'id':'A','layout':{}}]}", 400000},
    };
    size_t i, len;

    for (i = 0; i < sizeof(makers) / sizeof(makers[0]); i++) {
        const char *text =
            repeated(&len, makers[i].head, makers[i].piece, makers[i].tail, makers[i].count);
        takes_less_than(text, len, 1, SLOW);
    }
}
END_TEST

START_TEST(depth_and_length_are_bounded)
{
    size_t n = 4000000;
    char *deep = apr_palloc(test_pool, n + 1);
    wf_issues_t issues;

    memset(deep, '[', n);
    deep[n] = '\0';
    ck_assert_str_eq(only_issue(&issues, deep, n)->error, "INVALID_FLOW_JSON");
    memset(deep, ' ', n);
    deep[0] = '{';
    deep[n - 1] = '}';
    takes_less_than(deep, n, 2, SLOW);
    n = 10 * 1024 * 1024 + 1;
    deep = apr_palloc(test_pool, n);
    memset(deep, ' ', n);
    ck_assert_str_eq(only_issue(&issues, deep, n)->error, "INVALID_FLOW_JSON");
}
END_TEST

START_TEST(expressions_cannot_be_nested_without_end)
{
    static const char *const pieces[] = {"(", "!", "-", "${data.s} && ", "^", "((${data.s}) == "};
    size_t i, k;

    for (i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        wf_buf_t buf;
        wf_buf_init(&buf, test_pool, 1 << 20, 8 << 20);
        wf_buf_puts(&buf, "{'version':'7.3','screens':[{'id':'A','title':'T','terminal':true,"
                          "'layout':{'type':'SingleColumnLayout','children':[{'type':'If',"
                          "'condition':'");
        for (k = 0; k < 200000; k++) {
            wf_buf_puts(&buf, pieces[i]);
        }
        wf_buf_puts(&buf, "','then':[" BODY("x") "]}," FOOTER "]}}]}");
        ck_assert(!buf.failed);
        takes_less_than(flow_text(buf.data), buf.len, 1, SLOW);
    }
}
END_TEST

START_TEST(routes_in_a_large_circle_are_found)
{
    size_t len;
    wf_buf_t buf;
    int i;

    wf_buf_init(&buf, test_pool, 1 << 16, 1 << 20);
    wf_buf_puts(&buf, "{'version':'7.3','data_api_version':'3.0','routing_model':{");
    for (i = 0; i < 90; i++) {
        wf_buf_printf(&buf, "%s'S%c%c':['S%c%c']", i ? "," : "", 'A' + i / 10, 'A' + i % 10,
                      'A' + (i + 1) % 90 / 10, 'A' + (i + 1) % 90 % 10);
    }
    wf_buf_puts(&buf, "},'screens':[");
    for (i = 0; i < 90; i++) {
        wf_buf_printf(&buf, "%s{'id':'S%c%c','title':'T','terminal':true," LAYOUT(FOOTER) "}",
                      i ? "," : "", 'A' + i / 10, 'A' + i % 10);
    }
    wf_buf_puts(&buf, "]}");
    len = buf.len;
    takes_less_than(flow_text(buf.data), len, 2, SLOW); /* the circle, and no entry */
}
END_TEST

START_TEST(more_than_a_hundred_screens_or_fifty_components_are_refused)
{
    wf_issues_t issues;
    size_t len;
    const char *text = repeated(
        &len,
        "{'version':'7.3','screens':[{'id':'A','title':'T','terminal':true,'layout':{'type':"
        "'SingleColumnLayout','children':[",
        BODY("x"), "," FOOTER "]}}]}", 50);

    flow_check_text(&issues, text);
    ck_assert_str_eq(flow_issues_text(&issues), "E MAX_ALLOWED_COMPONENTS_PER_SCREEN "
                                                "/screens/0/layout/children");
    text = repeated(&len, "{'version':'7.3','screens':[",
                    "{'id':'A','title':'T','terminal':true," LAYOUT(FOOTER) "}", "]}", 101);
    flow_check_text(&issues, text);
    ck_assert_str_eq(APR_ARRAY_IDX(issues.issues, 0, wf_issue_t).error, "MAX_SCREENS_NUMBER");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flow_check");
    TCase *tc = wf_test_case(s, "flow_check");

    FLOW_CASES(tc, good_flows);
    FLOW_CASES(tc, documents);
    FLOW_CASES(tc, screens);
    FLOW_CASES(tc, routes);
    FLOW_CASES(tc, models);
    FLOW_CASES(tc, references);
    FLOW_CASES(tc, expressions);
    tcase_add_test(tc, an_issue_names_its_place_three_ways);
    tcase_add_test(tc, a_message_names_the_value_and_what_would_be_right);
    tcase_add_test(tc, what_is_not_json_is_refused_and_says_where);
    tcase_add_test(tc, hostile_documents_are_refused_quickly);
    tcase_add_test(tc, depth_and_length_are_bounded);
    tcase_add_test(tc, expressions_cannot_be_nested_without_end);
    tcase_add_test(tc, routes_in_a_large_circle_are_found);
    tcase_add_test(tc, more_than_a_hundred_screens_or_fifty_components_are_refused);
    return wf_test_run(s);
}
