package Wflows::Jwt;

# JSON Web Tokens made without our library: CryptX is the judge of what we accept.

use strict;
use warnings;

use Cpanel::JSON::XS ();
use Crypt::Mac::HMAC qw(hmac);
use Exporter qw(import);
use MIME::Base64 qw(encode_base64url);

our @EXPORT_OK = qw(claims jwt);

my $json = Cpanel::JSON::XS->new->utf8->canonical->allow_nonref;

# What a token needs, and what is said over it; a member that is undef is left out.
sub claims {
    my (%o) = @_;
    my $now = time;
    my %c = (sub => 'tester', iat => $now, exp => $now + 300, %o);
    return { map { $_ => $c{$_} } grep { defined $c{$_} } keys %c };
}

# alg, key (a secret, or a Crypt::PK object), claims; header: more members, or ones that replace ours.
sub jwt {
    my ($alg, $key, $claims, %header) = @_;
    my %h = (alg => $alg, typ => 'JWT', %header);
    my $input = join '.', map { encode_base64url($_) } $json->encode({ map { $_ => $h{$_} } grep { defined $h{$_} } keys %h }),
        ref $claims ? $json->encode($claims) : $claims;
    my %sign = (
        HS256 => sub { hmac('SHA256', $key, $input) },
        HS512 => sub { hmac('SHA512', $key, $input) },
        RS256 => sub { $key->sign_message($input, 'SHA256', 'v1.5') },
        ES256 => sub { $key->sign_message_rfc7518($input, 'SHA256') },
        none => sub { '' },
    );
    return $input . '.' . encode_base64url($sign{$alg}->());
}

1;
