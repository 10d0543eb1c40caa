package Wflows::Receiver;

# A company's receiver of callbacks on loopback. What it answers is said by the path of the callback URL, and by
# `set` while it runs; it checks signatures by itself, not with the code that made them.
#
#   /ok 200   /code/<n> that status   /hang never within the test   /slow/<ms> 200 after a while
#   /echo 200, with all it got in the body   /redirect?<url> 302 there   /big 200 with a long body

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Digest::SHA qw(hmac_sha256_base64);
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);
use Wflows::Backend;
use Wflows::Process qw(wait_until);

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

# dir: for its files
sub start {
    my ($class, %o) = @_;
    my $self = bless {%o}, $class;
    $self->{backend} = Wflows::Backend->start(log => "$o{dir}/received.ndjson", %o, answer => \&_answer);
    return $self;
}

sub _answer {
    my ($request) = @_;
    my ($path, $query) = split(/\?/, $request->{path}, 2);
    if ($path eq '/hang') {
        my $server = getppid();
        sleep 0.2 while getppid() == $server;
        return undef;
    }
    if ($path =~ m{^/slow/(\d+)}) { sleep($1 / 1000); return [200, {}, ''] }
    return [$1, {}, "status $1"] if $path =~ m{^/code/(\d+)};
    return [302, { Location => $query }, ''] if $path eq '/redirect';
    return [200, {}, $json->encode($request)] if $path eq '/echo';
    return [200, {}, 'x' x 5_000_000] if $path eq '/big';
    return [200, {}, 'ok'];
}

sub url { my ($self, $path) = @_; return $self->{backend}->url($path) }

sub set { my ($self, @how) = @_; return $self->{backend}->set(@how) }

# What came for `path` (all without), each with { id, timestamp, body, data, time, headers }.
sub got {
    my ($self, $path) = @_;
    return map { { %$_, id => $_->{headers}{'webhook-id'}, timestamp => $_->{headers}{'webhook-timestamp'},
                data => eval { $json->decode($_->{body}) } } }
        grep { !defined $path || $_->{path} eq $path } $self->{backend}->requests;
}

# Waits until at least `count` came for `path`; returns whether they did.
sub wait_for {
    my ($self, $path, $count, $seconds) = @_;
    return wait_until($seconds // 20, sub { (my @got = $self->got($path)) >= $count });
}

# Standard Webhooks, from its specification: which of the signatures (from 0) each secret made.
sub signatures_of {
    my ($got, @secrets) = @_;
    my @signatures = split(/ /, $got->{headers}{'webhook-signature'} // '');
    return map {
        my $key = /^whsec_(.*)/s ? decode_base64($1) : $_;
        my $mac = hmac_sha256_base64("$got->{id}.$got->{timestamp}.$got->{body}", $key);
        $mac .= '=' while length($mac) % 4;
        my ($at) = grep { $signatures[$_] eq "v1,$mac" } 0 .. $#signatures;
        $at;
    } @secrets;
}

sub stop { my ($self) = @_; return $self->{backend}->stop }

1;
