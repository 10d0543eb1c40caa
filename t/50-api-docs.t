#!/usr/bin/perl
# /api/v2/docs in a real browser: it shows the operations, asks nobody but this server, and breaks no rule of its policy.

use strict;
use warnings;
use lib 't/lib';

use Test::More;
use Wflows::Api;
use Wflows::Browser;
use Wflows::Test qw(errlog_ok need start_stack);

need('pg', 'redis', 'httpd', 'contract', 'browser');

my $stack = start_stack();
my $nobody = Wflows::Api->new($stack, nobody => 1);
my $page = $nobody->get('/docs');
is($page->{status}, 200, 'anybody may see the page');
like($page->{headers}{'content-type'}, qr{^text/html}, 'it is HTML');
like($page->{headers}{'content-security-policy'}, qr{^default-src 'self';}, 'its policy is this server alone');
unlike($page->{headers}{'content-security-policy'}, qr{unsafe|https?:|\*}, 'without exception');
is($page->{headers}{'x-content-type-options'}, 'nosniff', 'types are what they say');
is($nobody->get("/docs/$_")->{status}, 404, "no other file is there: $_") for 'nothing.js', '..%2fopenapi.json', '%2e%2e', 'docs.js%00';
is($nobody->get('/docs', headers => { 'if-none-match' => $page->{etag} })->{status}, 304, 'who has it is told so');
unlike($page->{body}, qr{(?:src|href)="(?:https?:)?//}, 'it names no other host');

SKIP: {
    skip 'this build has no viewer (support/setup-npm viewer)', 8 if $page->{body} =~ /not built in/ && !$ENV{CI};
    my $doc = $nobody->get('/openapi.json')->{json};
    my @ids = sort map { my $path = $_; map { $_->{operationId} } values %$path } values %{ $doc->{paths} };
    my $browser = Wflows::Browser->start;
    ok($browser->open_page($stack->httpd->url('/api/v2/docs'), q{document.querySelectorAll('.opblock').length > 0}), 'the page shows operations')
        or diag($browser->complaints, ' ', $browser->requests);
    is($browser->value(q{document.querySelectorAll('.opblock').length}), scalar @ids, 'all of them');
    is($browser->value(q{document.querySelector('.info .title').firstChild.textContent.trim()}), $doc->{info}{title}, 'under their title');
    $browser->value(q{document.querySelector('#operations-companies-company_list .opblock-summary-control').click()});
    ok($browser->wait_for(q{!!document.querySelector('#operations-companies-company_list .responses-table')}),
        'one opens when it is clicked on');
    like($browser->value(q{document.querySelector('#operations-companies-company_list').innerText}), qr/next_cursor/, 'and shows what it answers');
    my $here = $stack->httpd->url('/');
    is_deeply([grep { index($_, $here) != 0 } $browser->requests], [], 'nobody but this server was asked');
    cmp_ok(scalar(grep { m{/api/v2/} } $browser->requests), '>=', 5, 'which was');
    is_deeply([$browser->complaints], [], 'no rule of the policy was broken, and no error logged');
    ok($browser->stop, 'the browser ends');
}

errlog_ok($stack);
done_testing();
