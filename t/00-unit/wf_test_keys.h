/* Keys made for these tests with the openssl command and used nowhere else. The passphrase of the
 * encrypted ones is KEY_PASSPHRASE. */
/* clang-format off */
#ifndef WF_TEST_KEYS_H
#define WF_TEST_KEYS_H

#define KEY_PASSPHRASE "wflows-test"

/* openssl genrsa -traditional 2048 */
#define KEY_PKCS1 \
    "-----BEGIN RSA PRIVATE KEY-----\n" \
    "MIIEogIBAAKCAQEAzlgzPl1dYmY+BTuncfG1lZVaeEBfx1ZOYTV2hN4+vwHGiVv1\n" \
    "8hw3MZV0ClgQqX81woSK132nCCVyvgagWLx/cyP1Fdbuf8TxUlB8jnyFlY2SjGDU\n" \
    "k6DGt1yN8EuwLhTBPrmQEDS+4Orxjsqxavur89QYiaH15lsPR6mX9iRYv2wzdPSm\n" \
    "8i3qq+2fZ/+Ilk6ABE4Xc/9Ui7Pz18HW6x7EsWyvDwIt3oqEL2GUSixUddIZuiYt\n" \
    "GgXQs1zeXwrF8ep+wS5nUKBf0Tf9vqyZRHtcfJZgrPzdQfY9B9D/b7/96D4AFZG+\n" \
    "+P+2P2bT7r4wlYlC3scPKl9+dmODL3U6eJWCdQIDAQABAoIBAADiK2Rl9yNkhEZD\n" \
    "dh95XtypsgreKheeMy6C9+OKJaltsx4dcOHwSv0BKQKhhxi8SbLWgtdFwdq5rLix\n" \
    "kJHKSziaYjWnIO6wUJQyPtMUjc6qt4KDjtI+/i4EzTrGwcjz7JiwwYDzdanC3iiz\n" \
    "wRGDMfF7HZiUdlgRJb4zZ+PCGuGSINoKk6y1u2BzsBT8/VHbakC85y1ybHuK8gUx\n" \
    "Sl4Ezv3ZLX2BCAyfISc2T70Vc+r+xfeHqZ48vEmRuZj/AamQoaio9zYZqDbuKuMg\n" \
    "ClswumcYkSEdXMK86LyYwInTJQhVDtQCksQihSwgkj7j0qqBgsuYBjEI8s++e+Ik\n" \
    "4NyoaKECgYEA+zDu99Pwjk3ajdSRQupD7JZ+W0melUkafrTJwWtFdRUHIVEXUvlo\n" \
    "8nbAU1N0KKuM9bmnYFU96aR/s9KcNN17l2FnxUHklWaZPETLjlHCToQrQB6Yiw/d\n" \
    "5iECMhVOad1rCI+hEXHctpMHUHqRa0f/hXUyZlcclmln+3gQlbf5o00CgYEA0kt6\n" \
    "LJNgf2psWtufQcw2/08yhr+iURTGYMHLyAi4dSWjpe9v6ls0wE2lUBzc2Fv6Ln2j\n" \
    "402sPIoEbTh+Y06N5r5FYcT0btR3gnDSXwl0RWsI7/IeALlr10LfSIn916rDrQPX\n" \
    "J3/CYFZM7Tpz+QF4funWLZtMiObCk15ictCZ98kCgYEAz/nmAf/S7p/7Uu8rDpJU\n" \
    "hvDb0c2UpdoPO9WILsMYkSZF7wnrG+IxSH+WIee5B2tynImI0bQCPQ7cRREeEI9J\n" \
    "Iz+c4a/7CNAYE9SKDV4YWVYJUV+Dwa/zc/Tkkn8dm32ef0ocfAsgSXJW3gV9navR\n" \
    "Hri4cA+0Nb00QPtaD/xxjwkCfwXACpctcHYLcusJFlG2Q8q3X6pPkyCkcMg0hF3z\n" \
    "3xdU8CSZZ3YBCHA5r0uBfohr+2tKBDEy7oK5Q2W5JbuRak/k5ADIYeal6J6odxgi\n" \
    "Kgu74YKuHCPo7gn0yiYxn79F7BPPBxMNa0M3GONjtcgZQjI2MqUMmgskRC3DZu28\n" \
    "xnkCgYEAsUASYlo0zZAWXfl8W5TKUQa2+J3c2hvKcj81AuK21YTeUjwE/K36emZi\n" \
    "QyeITTsxShZN0Y8WlHE3/MzakqmVOQvbaejO3V9VLWDGdYHMkLxCwLToMNxMttG1\n" \
    "C05Hp6j8hdY8M6nRfDH0+jC6wHe7ctHSz+rUcyGxt3vgV2Z3xjQ=\n" \
    "-----END RSA PRIVATE KEY-----\n"

/* the same key: openssl pkcs8 -topk8 -nocrypt */
#define KEY_PKCS8 \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQDOWDM+XV1iZj4F\n" \
    "O6dx8bWVlVp4QF/HVk5hNXaE3j6/AcaJW/XyHDcxlXQKWBCpfzXChIrXfacIJXK+\n" \
    "BqBYvH9zI/UV1u5/xPFSUHyOfIWVjZKMYNSToMa3XI3wS7AuFME+uZAQNL7g6vGO\n" \
    "yrFq+6vz1BiJofXmWw9HqZf2JFi/bDN09KbyLeqr7Z9n/4iWToAEThdz/1SLs/PX\n" \
    "wdbrHsSxbK8PAi3eioQvYZRKLFR10hm6Ji0aBdCzXN5fCsXx6n7BLmdQoF/RN/2+\n" \
    "rJlEe1x8lmCs/N1B9j0H0P9vv/3oPgAVkb74/7Y/ZtPuvjCViULexw8qX352Y4Mv\n" \
    "dTp4lYJ1AgMBAAECggEAAOIrZGX3I2SERkN2H3le3KmyCt4qF54zLoL344olqW2z\n" \
    "Hh1w4fBK/QEpAqGHGLxJstaC10XB2rmsuLGQkcpLOJpiNacg7rBQlDI+0xSNzqq3\n" \
    "goOO0j7+LgTNOsbByPPsmLDBgPN1qcLeKLPBEYMx8XsdmJR2WBElvjNn48Ia4ZIg\n" \
    "2gqTrLW7YHOwFPz9UdtqQLznLXJse4ryBTFKXgTO/dktfYEIDJ8hJzZPvRVz6v7F\n" \
    "94epnjy8SZG5mP8BqZChqKj3NhmoNu4q4yAKWzC6ZxiRIR1cwrzovJjAidMlCFUO\n" \
    "1AKSxCKFLCCSPuPSqoGCy5gGMQjyz7574iTg3KhooQKBgQD7MO730/COTdqN1JFC\n" \
    "6kPsln5bSZ6VSRp+tMnBa0V1FQchURdS+WjydsBTU3Qoq4z1uadgVT3ppH+z0pw0\n" \
    "3XuXYWfFQeSVZpk8RMuOUcJOhCtAHpiLD93mIQIyFU5p3WsIj6ERcdy2kwdQepFr\n" \
    "R/+FdTJmVxyWaWf7eBCVt/mjTQKBgQDSS3osk2B/amxa259BzDb/TzKGv6JRFMZg\n" \
    "wcvICLh1JaOl72/qWzTATaVQHNzYW/oufaPjTaw8igRtOH5jTo3mvkVhxPRu1HeC\n" \
    "cNJfCXRFawjv8h4AuWvXQt9Iif3XqsOtA9cnf8JgVkztOnP5AXh+6dYtm0yI5sKT\n" \
    "XmJy0Jn3yQKBgQDP+eYB/9Lun/tS7ysOklSG8NvRzZSl2g871YguwxiRJkXvCesb\n" \
    "4jFIf5Yh57kHa3KciYjRtAI9DtxFER4Qj0kjP5zhr/sI0BgT1IoNXhhZVglRX4PB\n" \
    "r/Nz9OSSfx2bfZ5/Shx8CyBJclbeBX2dq9EeuLhwD7Q1vTRA+1oP/HGPCQJ/BcAK\n" \
    "ly1wdgty6wkWUbZDyrdfqk+TIKRwyDSEXfPfF1TwJJlndgEIcDmvS4F+iGv7a0oE\n" \
    "MTLugrlDZbklu5FqT+TkAMhh5qXonqh3GCIqC7vhgq4cI+juCfTKJjGfv0XsE88H\n" \
    "Ew1rQzcY42O1yBlCMjYypQyaCyRELcNm7bzGeQKBgQCxQBJiWjTNkBZd+XxblMpR\n" \
    "Brb4ndzaG8pyPzUC4rbVhN5SPAT8rfp6ZmJDJ4hNOzFKFk3RjxaUcTf8zNqSqZU5\n" \
    "C9tp6M7dX1UtYMZ1gcyQvELAtOgw3Ey20bULTkenqPyF1jwzqdF8MfT6MLrAd7ty\n" \
    "0dLP6tRzIbG3e+BXZnfGNA==\n" \
    "-----END PRIVATE KEY-----\n"

/* the same key: -v2 aes-256-cbc */
#define KEY_PKCS8_ENC \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIFLTBXBgkqhkiG9w0BBQ0wSjApBgkqhkiG9w0BBQwwHAQIiUWre9VarGsCAggA\n" \
    "MAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBATS+np7RBkzbrbsCkVqm8nBIIE\n" \
    "0L36XvT7JM25WgUN5GQiQSD9uo31DKYzt3mvhqR6s8gZajdvfaiYVeL1bPprcEPX\n" \
    "cFN77Dtv2MbjvLEbDIMp7m4GI1SmT4d9eayem5IWlBQUaf9UGTITU565YGHkCZu5\n" \
    "Gi34jteouinyjsTNQ2AW0vufVpObwy5ejOZL9bDNuL6Phch/D+culb2WRrehXu+O\n" \
    "H7brwSBXj1peIx2xButdNnSzXDuGoLJUQaiLGGRhy9LjglYYyEqpEnk9SSsTDKzx\n" \
    "wS766k/d2da414EP1dRRN2AcPo+N7gobkSBm1eN6oH4i36jMTKl+Lk6Ajck1mnHe\n" \
    "/ht0wVMzNpoBj7dTx723fEx987v3rOZKaV8CXh/4859zFW3Fx+A5b0ZWT64emlNU\n" \
    "gmNJ7gBXTiI4CJ5UfVGfXjqEHAiYfbqvy9c3F8ohSwJy/ttOd1E3YDFtFSYadDOh\n" \
    "a0fxpq7AhSPoihA/jnFGykEQHV/qbwWIhSmR3lKh8y9g4AAJHGcplGdAKCoWfegN\n" \
    "blCQmG3JWeu7U6IxPAJwqTftOrGIDtqMzWJbOXx1XYwzWnimlMpmCp6B9Qtv/+F8\n" \
    "TB3bVCkNrILIpGo/u9dy+F1l0VqV54mKGBxft3Crj9EUCk1s+8ql3bE3ABOpsb12\n" \
    "uAanTU09psyjNggNbOZB/NjYRjfevd6iBNKcZRhcUhQ5xSnPv1/EQM+6raX089ca\n" \
    "YNS2Wjy3Upiuuyy5z6jE1KCUT4eSB6aghLj299jbK9AXIZUKn19QOWRzZsEbZSzm\n" \
    "Uf3iR/tyAksBOQfjkcl5+KhqKvawHvrRcLJDiu/3vxlFHMI/F7VHG5jiuNjB6KvC\n" \
    "+1/tvcKX6No9MQgiT6bDWahPgzqf1fxcF1u8CVgbuf8Dex3aamMPlb75mRpzJ+Lt\n" \
    "MIG5BsZ/ASu7IuXwi7LTm8OAASqwrYlrW2dDzoDFRy10iOKmsnP15FsBzPhF9GPQ\n" \
    "zWXG++aVxy1eB3kZvMxxtsKK22GDsp4O8GMKtitrN2jSoaZ/hzj//QCkCTE3qHJ1\n" \
    "sHLlVROSFJYOrVX4znymeG5eKu2PI290HTF5phyJqktMfu9YucIYv/AhXfPpE59I\n" \
    "vqf+1Z/2N93RF+ESL5BnDkgya2M7PrahYhs0fjfnon3sjAjQkc7escYfgITlRtrb\n" \
    "7X4dBXOk3wBwrMacyaqiwCNSFxYTWL0MktMqTyUy1GtQaplB2AKcmLxRB+AIBXes\n" \
    "SExViZKsmIo4B+K/jbi2nDPEUOssJrxSUNepfoyAB9j8tP3dao7MTs7ELk10HCaz\n" \
    "m2hQFlFYX826lao7s6wmYgVZYimog0TWmxOyIrkvptV+ghLTYG9v/R8JyIRFRP9W\n" \
    "Jb37ZpMelWreay+sWHJWmcnH0RkFhbflDy2eJQYPdxrcjeKcmDoqBSEQkzhSf8DL\n" \
    "rRqQVZaZUmxNM6baSFDh/WDVdQRtUWPBhgC32qpsHOUQNztkgzEtNYcfpm9mjlWT\n" \
    "Cv1nO9qbri9EOjGnhNM0D6swffCuQ6Os60rlvyeWSRHiTL8HmuKlBZxSfUDm/+JR\n" \
    "IV92D6eqOUPv+MNvrOJtUP1BkrkvI3WTe408SlVwMRUiy8P0oABxMUT9SKOSwmLI\n" \
    "NqfDCYNbpUVnduw80C5PENLuo//0O5QpouIgMK+D/pET\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* the same key: -scrypt */
#define KEY_PKCS8_SCRYPT \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIFJTBPBgkqhkiG9w0BBQ0wQjAhBgkrBgEEAdpHBAswFAQI/uQMYfXdm8gCAkAA\n" \
    "AgEIAgEBMB0GCWCGSAFlAwQBKgQQ0IiWQJqnRsLfR7AZ3utxhQSCBNBB4ud0MDKU\n" \
    "gMfL+xJuDRV3/llFdP0EhwD+ZPDwXVIrdNYdZTEb7pw4ZPxj1XJII7sOF4siZHLr\n" \
    "h9CmpdOs9rRlxKiOT131n87YzF9bfmk6ryq3WGjvkn9AgXmT/MA+ICae31zm2B3X\n" \
    "VnjlCKeg49TraeBokENam1XLEvQeJuAagGlXIl665VhHXB9KO/wJnvFEM4oKRPPQ\n" \
    "wGflWOvYOzXrk2qVQ2sT2S+UAFzr7dvU90VSnTkuQdE+m685kwX7BBQ0mfhLR286\n" \
    "/VWF3qrEC0oxxaV2Vv92+Mr0J3fit9BnWUxHgVaCUK33/oVDfFD6F2duNPeKayTC\n" \
    "CFjFK/sQ8Mtg8EmjNqXXgipYaMXT43OK28C2cpMGNv6kRpTV5Yit/B2Iv/p5O5+V\n" \
    "PSunyhsMYPxo2wzgEbdXQkBXnqiFh7I5ajGDfl6tnEeOJiJCEBiufqzVV/sylNsM\n" \
    "AAhXrvuyyPmZNFc0JwtdEtfxlkjskaeuqcLvWzruU3mEZKsjjjLZgdHsKqF6vWHQ\n" \
    "kFiYxw3EZkvDhdnbnZ4BNj6GdvsTdugYDPPU01SEMC59juseoX4k76BeSSl72E+g\n" \
    "Q3ym2/C6vbthz2cm0qebKli7AXrbscG0KAoUGNod5OA5zrJS+rsWOOq7XArBOSW2\n" \
    "UdCHHWRPZG3rZUF/B7/bqize6O0hbULuZC7ylfkFC/a+qV/mjdu7Z9WV3v8PrBSH\n" \
    "6xt3Pgj4HzAa2bT8B6WRHO7C7l7nDzG7oXKWUfqL92XqrCcetkQ1yHkW9eWEMxOj\n" \
    "sijvfe0V9zCzxRgCs2nDj3uIZ+6nXZVq4mB0fXOGTpG/R0hOrqEIBD0dWjuDFc34\n" \
    "avDtD69vpapyUFqQWRmH/R66jKzfSxsjnO+I+6do+yUxZR1XcPrXJLSgEWfjJyiw\n" \
    "36ACcPOe8hZyzJpJoOe8GpAJCDEgUfNHsuV3ZkBUAqjdo8elHvIYSkdCDsLdoAZk\n" \
    "+yBmTx9hOfw9dsmg5poZHqvfRAU/irS25PX7wD6jy77zGOXqm+50fn77H5BiWggB\n" \
    "nydLRULgYRiP+pT9UGplHmqrf5ui7Ng7BbTEWXA3Ym4NKu1F4D3RUVKovT2yMKS4\n" \
    "odDRsfxWt0nveRPgOm81zwdLMoDlz0txNNXGTbgTJStzgv4E6CYhksPkmwjEQARg\n" \
    "wxIm5uh8BZo/uOhLtSAT2orkQNVB3/gCsyb1F45PH0BLqj1NZ7IdotMAZrnmkZoC\n" \
    "HoDPVTFRJggslHTAkkFU/EUEwffiMSDWKNkNwpr1vaWReyrjuWW4Kv/FkKEKAQMz\n" \
    "XdSr3cM1RQx69CxXnuE+rRcSL2Etgdo0qZHqCTBFEYNiQeCUKHEzW7CCICvAieQy\n" \
    "yixZ6O4gIvdtDAd5WvyISBOFnlFEvJOrWMjdpkUJ/UsooSr4OYVxZ/vf47V8pqOp\n" \
    "9kOAZPGAw1R18jZ03HMXv8hgyBruxvQ7i0XXzywCk2KddFWgyZ2ftnV2E7MclD6v\n" \
    "xm91sFdqv9Yr4aB+xIwZtdup70Y2svY5iwi087ESsuTIJnavSrhNDQLjo2rNAY96\n" \
    "sD6eRq4FUGuNzAUs8xUM0FiyKY6N32X++qrAmwR0poqY0krb9tDmjVQaHUqZvnGY\n" \
    "Jt539gEDE4BiwRdbp0PDpv9Z1f80fBr+kg==\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* the same key: -v1 PBE-SHA1-3DES */
#define KEY_PKCS8_3DES \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIE6jAcBgoqhkiG9w0BDAEDMA4ECGPc+EhfABzXAgIIAASCBMjS+LdZ3C4+4tEV\n" \
    "ThOjnAFpLRpiTwuJmaFWrzusRyEKyx5Q+cNuzc7Fr0LI7/N7flcAGO7pIS72oB/a\n" \
    "pMw9+FYEB7Fr1lBe61iRRHdScaXiaDlpPso9SiaHSrFalt+TjxrwmOfBG5nMCijH\n" \
    "XLIc73P8W9c3TEJJy1V7YaQpLne65x+oU7iYW5D6voYm6mB7hDQwC8o9TYnbNR19\n" \
    "1FcaUWfy5kqYXkA5VqbyPxQYjGdKEQB0GUQvxaPNyKlSjfF3LHUu/H2nedLNXnad\n" \
    "hiAjel9ZJBapkDfyJAS379OTaOWv0k0+7K0puzII1r3zW4sOXqoF3Gkabd8FOq6T\n" \
    "i1GAWSUeBwyW/JG1AxuXXBHudUhwK3AyHvOcjVwnsgxAjZMO/5ZTfOQClQb2wbo7\n" \
    "sNQkxfI5N6BhdA+lozi7phqYq8eBKIV/GF5YqsjyT9qr8AeVt4+RyKdRUaIIunhR\n" \
    "AL79R//dSnJIvf+NMXPVFvkuozuL3YKj9zhYGWIIGSOSn+NI6wUZiXIjVyrllIsc\n" \
    "bkMb+ISSaySMRzvps43gI5i8OnB7GsTYO+uOsrhXAJAvvt5USxDhdtkpVcA7+tOx\n" \
    "Y/yQTSi3MOdj9E87OkoEdTYY5bUJ/fN+ISgVRfKg6cIG3RvDDZoOYiIlgr20LNhs\n" \
    "zQdkM8QFK6LUys6bAPCE60qu03vbqR6INQqiHhUthGGrEcZ64O2HXIYrA/NW00lD\n" \
    "eoZ6xI+hx7ly0jAag6J43F3H6XJxQm/1S0ORgumacvkismzl40BxpFhSARea6tUW\n" \
    "iMJAD4EDalNqY+26lDgb00eN1KuzqZNfdQ943OqsXO+asrxumFQVbkK53ZmgKTAU\n" \
    "tjWr8P2KXK1QUv4lGIWDW8bVY6TT+0QIQ6IYIbFfCiGm6f20Tmz2nDRsWC59ARX9\n" \
    "K5cg0lYaMDF++TdEMn3Xc/JE71ZvyuiIinlgqGy8IjT5bN7AHBNvPS2nK0EFvYA5\n" \
    "QA+NtXanh7LHtlB+6TbnqoHQTE0ddG0w05KbUhaMFO7oL86aMggue49LrGh3Vq/i\n" \
    "2C3OmvsJdZLs3qm8RihkrsEMDVoCJ9SGfPA5gvy31rwJJrAkMSSU5lft+oZrstfR\n" \
    "+keslPORV/+tydB+jYY+rqkl/2ivcK4LrNb/1fC9EyrTKJ5jLcfxQzXOgo6C2gYm\n" \
    "f9Dqt0SdGhVVto4d04QDpevSYf+3a4iClUIrqItt/DhG/jjnv9Lg5xOBP1raA1Gm\n" \
    "OSo4CSiICy5/4Z24D6Dk4JYIAmsRP6mWIvxWL+vjWBqV33tpz35Vrzw5uu7k2450\n" \
    "gEX0nvVxRZUIlYvdcpoaJ2pBZ54KnnCKkcQ+wM1s3XsZSEUNWhjWjxdQAEv82aBW\n" \
    "emQ5m4kZS7fqz636SwhPRy13XMkVzHc5wXhbLe2IdcuMwNDuYDdsQdz7X0utvN+/\n" \
    "Xq1Y2nzd5ibYsREbggJadSEIxAUoU5qqr8Cc13bWTW/d9BIoItWukLz/SEGGvcHp\n" \
    "6CLvIoNRwegIf74xkX0uwTWRfCIR7Vcm9htZyQkZIIMaOPVVK019QkRVmfsKcaXQ\n" \
    "nsl35ooPINs2g7UJethDr64GnvbtXsMJj2m66BAOBnPZ1+pDNbUqTnhXhA43Z5Q9\n" \
    "HawxLyV1QVuo/XO7MMc=\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* the same key: openssl rsa -traditional -des3, the form of Meta's sample */
#define KEY_PKCS1_DES3 \
    "-----BEGIN RSA PRIVATE KEY-----\n" \
    "Proc-Type: 4,ENCRYPTED\n" \
    "DEK-Info: DES-EDE3-CBC,B88A4336B0A7FA2A\n" \
    "\n" \
    "1yapAwvuLWXpl8I/gUfOE6hqmN6XWzzEe9zw8XyPAbf9VxPELjfmFImEkQcCoDUz\n" \
    "0WywkZuwW2HjKFlyIeeXslBmOtXfhr+Wi7Cl3tb2z/MQFYV4IgMZTc8OMKywtlOo\n" \
    "1w9UNRwGqh2jY5XUJzhQ07MLdceNVYWm+Gln6365qlJGihCCSBx4v1YPgrXUuw7F\n" \
    "+ajX768YBwjCWQ99Hz5356WKQQvg1yrbIVl0mFsj2Q4opRcJBRYgzahZ7VhN33RQ\n" \
    "1HAbXLWr8/SnBeWTOobZK4kZ11EXmHKOG2gOeb2nCyNGtXa+4VwF7Dn+uOU7X3AN\n" \
    "HkJsd16r1BcfOBZTc2JJyXhixKj3R8u5SqvC/yzvq5ajnexB7FHoiFXWN8ooy9hM\n" \
    "HD0c09lcffggpT3VrIFCSq2oGnbPPc0ZxAr/HoAaLR0CC8b68fKXuvBCBoOTOnSf\n" \
    "qMl3W2h3px4VVyRB1BGfMyDBpa97dSREC2UYWX+Jy6vXE7KfyJAuUW6b7jtrKgQV\n" \
    "AGn9tnwHccodsEKFrV4uSvDe4EQi4I4L3OlBg9Nd7GiKPveVTqMjadY8Ir1AI+AW\n" \
    "kB/9QdXn0cmKZ2Qv/sDD3Iz5zs8OWdGDGRRcP95VluRws3fqbh/KbGWqPYw7iTV8\n" \
    "l5c+NBSVOySWeZIhxSOOu351oV4xp7U8PJLEOdG/2PlZ5+mQX57V/7xXpCDgkQD/\n" \
    "gIaRQvCXQv00oYRcxQUOB9TPvKuvEDU2tIwBR7Y54PEuvUzJcz2/diJ3hhw6NrHF\n" \
    "+XnI+0fuG/RwocbvHiprjQsqbr+5NaJsNdCtaXd+J0K072qztdFRXqfhrNC1SGE1\n" \
    "ShgJt8uvENmE+Lpe73X9fYunImp3crG3nf+xzjUFU4Lwkfhuj6jhu0A4v9k7jsAT\n" \
    "sCsC9r3f449wq/SiB+gkOg7bA2KrsZmcBrpgwx3qp1FtVpFwkrvVcfi5/qBV2OHy\n" \
    "z7SGZ/J6x1rs9HdE/MOQKv9mjqpXmrMD9nR31rOfHDY1WK8j/H1LpUHvgA/yPFHt\n" \
    "V6kucEyRUMwz4iORjr4dGDd7S21NOICKHuf0rzUpVRNzijGKrRSa7clmJHL5uaWR\n" \
    "nEiSPALlDAf3Rc636XEkYJD+JRUzPydLAskjWtRFnhaPjbkVAopG1ew7w9a377Nr\n" \
    "8JgLWBo45cSQ7kq1TYhFswauyYnwOFOdnAxiA8sJfEMrcGmoFvD7ZUOd2f8mbT8h\n" \
    "8VdhVtDem0Z/FG+vGcnPb437uQAFW8rRBl66xehB+EvyyejNIfo6RQFu6pAoe9b5\n" \
    "4l5XM7MtvHWQGdarh+lFRr04kGYRofSiAyE/uyBM0/x7kmPdp2FseVb4E3G8CkOB\n" \
    "KfPymFWeQPWpMmT89qRTesmFXjYaroFzzQY9p7/B8LYrT1fv6tZfriFALGW4/Ku4\n" \
    "hUKTr/k59rTq/g1cC/VnGJ/79GmqmouGiuEAiMiQChGhDTvQ/DjKcK9zyrA5Bs3T\n" \
    "wjvBeKJdP/TgJOx9bksL3n4V12Ejv3VM1y8YaiL2giQpTzbhguAJlk0abClIXidX\n" \
    "m8Bh0te1hBw/L8VvpUokojqqB4U+wjiIhpxsKcHwqlRCTIXNNVN8XA==\n" \
    "-----END RSA PRIVATE KEY-----\n"

/* the same key: -aes128 */
#define KEY_PKCS1_AES \
    "-----BEGIN RSA PRIVATE KEY-----\n" \
    "Proc-Type: 4,ENCRYPTED\n" \
    "DEK-Info: AES-128-CBC,A05EEDB17350161072B0AA2B5BF7DC5A\n" \
    "\n" \
    "mY2LEvJBAsX1stiIvDuA9jrqxHde79xOFcjDjyfmw1DFHAC0iO6XwGcVF7f3iVq4\n" \
    "aiVSxnwvmInLqpsEylASu9uhSverfz2PL8ou+FuwPYSmOTc8fIX/hjZ8//fOc1+W\n" \
    "vpj7uZJxQo/q+i6jm7lbgDsYbU7kfYrFQ6i2yk/JG83xIrqZ7KLIbqSdDfuH8lEb\n" \
    "1hXqjJuoKtgo4S1Hu40GcCaS8EEO2C0bQeYwAeXZZfgCnyb26oPWArW/4saXjYIQ\n" \
    "w5BEEoBBfzM0aaeQqbtVLv797/OIB96IKNvyt7f1JfeN7uyqCqatyHmlYgo2Awde\n" \
    "ZmlO602BI28OeSqc5CrPe7ETckJ1adzWRlW0YhD88PQceEJB7mMXI5X9YGehrYRQ\n" \
    "Lyt1hu+NSqI5P6ldepFu/I8lWmsfynyZ4KKwUJO+AEYy708w2Oh4GXuQgNAdAaZt\n" \
    "6LnX5JkTMcjFXqrdCYjVZm0Lh4xZmB97erZ7cf/HCfGejHmLg0DC6KAlnh2Df/x7\n" \
    "R0XzPquXZdo+nA4wIeJaNlGyvc+fIV4tDfc1eFaIiqGHYusvbhC0GmsBBiBq/DQJ\n" \
    "4W+cO8ujLqyu9qnSCh6XDzB3rUHP5QPNKowgxyfyMjA22yum1e+oMvy/o+mZbRId\n" \
    "plUji+LbnitNxN5Mv+Fs9r2lfDy7N/ItwhQVu055TAK2UEi61nMk0PC7xY8kmloU\n" \
    "ElaJspL2A7YlHboKm1F6jXX3VXlxlFWj89itYWJCKXBmABYypIRlBnDT182M30bO\n" \
    "i1fLT5ITH0GRS0VjcYJ1i4ZIfUBnZAhM72Qwh/OoW/mR/BRRz9dov332lAr3R5l8\n" \
    "Cru8EkthGe++gCaDk4vZ/Kj3puvFYt0KMhADjGgoj3TZwV00+LAf0v7v57X+ldzg\n" \
    "3TlmtRpsMH+OrKidKLytR1FwG7wv8uybUgxhAXERTNGlpfXb2hr0qMtshyNBTXi6\n" \
    "b46RlKM82/Hm6FgZF/sC1tBMb4gddbrTcPecnmF7uBCroByXV6IJDT0geNFUW2OO\n" \
    "DJ+6lzaERfjpwIf0p2hNrjdsNFJPMnkgBKnsqk+m1pOmaZfbXfg8DQ7CqZST237U\n" \
    "SRA9Rt8atmUN26lP1Sh8/RdwN+ftFaMe07eNHQ6qQpg+f0S8FG6RZvjTjA7EdTLp\n" \
    "rxIvTsXPRpQ6nTa2Czri/agQnmu8NqB07u56fRDfD8S5bwIUG0HohB5fUBhXuE+3\n" \
    "hqbs/+blHQnzuywzON32wH/hozEe9rtmNGDTLJBIrSp+BX1sVNC4b6rxJvn29c9V\n" \
    "NJ09svoajtiNvrPiOi748Oo8Tf4d8bjeYpnI0dFPAx3J4rmAz7Zgv0IfJqK06eiJ\n" \
    "wQe8/QnmWc+ZlBxfjZ78YgqbpH2Q02T3LXwwnQ9oItuWGw+ix36jyC5FaxJgDSRr\n" \
    "PHRMGExRgJD19whRr5Tzqan1HXdLzGuNfy1RSq3Z+HU7F3lV2PWzCXgs0NosATA2\n" \
    "AShKkjLR0NkgKrS6m9QKQWki5hvMSA2YodN+aryQB5NDHna6LZIgMrlhEX6rd7OQ\n" \
    "sqHJ3VNzDIefGWLtAdGnkMKr93za9cAeD6OaB6oMYueo9MvXy2ON1DK9g1faRJxp\n" \
    "-----END RSA PRIVATE KEY-----\n"

/* the same key, single DES, which needs the legacy provider: -v1 PBE-MD5-DES */
#define KEY_PKCS8_DES \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIE6TAbBgkqhkiG9w0BBQMwDgQIe5Nf2q3z5n4CAggABIIEyJ7v/SY31tr76B7q\n" \
    "txIsLG9IyfviussrzrlMdGXHXN3VZ/av3GBX2pzWfAEcYn6MR9fjNXSXCmwoctOC\n" \
    "L7NbgF4bhzSlDXMr4mxNvNH9sAyJbtFBbntKqu1q/x5qLIxxJO+E3ugqdkWIygsi\n" \
    "jnZomuZdGzKEzmgHHz6YkBPv3m1f8RjREE+DlXdjSo5O80xOmIVsvha4Tx6p2AQU\n" \
    "7ziM4iioiUK2/KwRhMocWueQnhTj/XqFDKHlPm/9Dar+L0MDNTE5p0w3uHXMQ25j\n" \
    "EbFjD3z9pYQZ43Uu6GzJrjXh8PXn2hcPKr2Ph1oCkYZD/xF1puklifFTkyhHvj8p\n" \
    "JtMzuFSUbW+Zc26czciI3aSgb8+y+On1YCS4wkZj7UeOxb+iKyqGF/mW4f0wMDFj\n" \
    "C9f1dNXjvsSlEd/2ALATbyKdA/bNr++tBEDBubFM7tKlQWMAJ22ofSW74NGNeyis\n" \
    "DUXI83+obm6GEncwh1vNdoqrq1s0fRnmHRUdoGo3buwHinjTkXK3MYEAExt2iXTg\n" \
    "GfqwRUyVX5sxI9HWHJxXU3XopRdDmqfpWz20qbvCD2aGKapTcTJzDRa6Xrn+Czdb\n" \
    "+gn0uL1e7mpwATOSyyUr3TggLEiVpvQlvg1ZHJo9WsDYiQrxpW51vqgLbJz3POAz\n" \
    "U4orX69ns7rDutS8nZ/Gw7sYYGQeQkNzTOL8dsw15RnhWtrFEVUwAcj0d/i5HdtI\n" \
    "FRTB0SjcsNaTzAUF3miAF1eH88Qjm7572LqzMExJf/24rDfW/b3X28ythti/7n+e\n" \
    "RfBtKNoQGOT1qCmX2a3koD+ixHsrIAtdHBiNdCBGDUQjKLeqndUtodSg65ablr5O\n" \
    "gdDj92jGaqkklBzGuNGHNKNGMvC1/KazD+0qSQT3LrS6bAEgdCaQFE9dWXwSlZD+\n" \
    "4o5RzvxZ8fRHbcwpER/Wz/L5X/SLltdqa5SqzT/yC8jjlt8pMTpSWd653iX0dSqr\n" \
    "kB+mi+D/nE/fBOL/eh6rcj0LJaR7SGwukZesjLHgpxZLBkdud/b3Nq+D7Fyh1Eeq\n" \
    "eRGhj7aCLOdJAtWnWuxd+KmSHSj3t/rzUcoKbzn3lEZDUNj8GmnOP4XpmbNVnr+O\n" \
    "aZThzTc98NAc5Ptr2z8V4wl8FEx9LT8WIVbnBKPYr4FcR9oeNpG1C1Llmd9xTUdE\n" \
    "NMxQvXiqJW9gs/Aedjndkbt8qk4lp8cWUKvKHK7dirrkitevoRg1JyJNJH3oKgQH\n" \
    "hTqUpEhRGGhnCyZg0svwOFQDNjBQMKyGs2oYoenP1m4S3s4b/1KsBCDTAEcP1B4m\n" \
    "CxrYDzln4b6I3uVHKN2jHt1RqJ73kCj/5lSGoBkcjYXoKKsg4HirQQyy7GPbdIeD\n" \
    "5p0VXP66cfNOIhfT9y3bFWGl/QUjnIHg37NYATTamIGE6BE5XGrlafalvMZp04EH\n" \
    "opLBai2tE2sTxNAs5547HGZc6NLh2DHr72hGNYPKWck2rvS55kR062q9yevSwHAy\n" \
    "/YrM4nlSkioZQJ28kPAKncjz2OpF152yStk/ORVzFd4ZCnk0F/BHGSeUQ9gp7d0V\n" \
    "6128zCiCjnKriU5ZSIDlPXF0pZTnGlYJMShan7RDw6MgV2TNX8oGaEZ/Bm27yhqX\n" \
    "kdb4jQhq4ucGPqffwQ==\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* the same key: -iter 2000001 */
#define KEY_PKCS8_COSTLY \
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
    "MIIFLjBYBgkqhkiG9w0BBQ0wSzAqBgkqhkiG9w0BBQwwHQQI47YTgImJajgCAx6E\n" \
    "gTAMBggqhkiG9w0CCQUAMB0GCWCGSAFlAwQBKgQQuYsTXhxOa+yePJariI4CwwSC\n" \
    "BNBjDAGQ1OuUIWl0HcC2A3L9Qop5EHvyTgG40lFGY7sL+RmK+Xv1ilFbSPQZs72E\n" \
    "lr6IR4efkmJTLkB+fiABjwBm0ncJfQ+aRkX+mduSuuIsUrCWbkUHfwCf4W2yRyFm\n" \
    "VYhZcfok+hHB497U8ZyQxkaLesuGkZqFtwqQqk4VkspTf4f2JonywRtuEiK2lMF3\n" \
    "q/uKedTmuNVCm3/jUI/82ds+XWNpry8y/YZ151HPeONGYR8pl7TEGc9pEeFnmocK\n" \
    "FPQDnf8LMU0yJuRH3eft2uAqFR8osDRMWjuVtfEHHDxVn1ULmyptMVy2d5izjbKA\n" \
    "rh3J/fflx3o//cCVkae9n+mvzZsfqCttGDZTAzcAyC+ry/LPRvc5fc0czcu4JT+p\n" \
    "R2bMXmY7ucRenouq6GVwKfd3EU59ndg24gtYFy6BxxHa6xUY4HKr8QVkXqiZGOmT\n" \
    "1ZaSu0u5g6j6dYO/Wxqcxl/ok1p4dayt8ETXS4FuQ5asWfp0mIp8rozhhnafaKao\n" \
    "P21SPW46xDDUh+bK9omRz1w9hQmNAdohPFWBrnXltfOpgZaGqFD42hCQyHvZbCBM\n" \
    "Dsda8mGSW08nPW3bY/rsTo/cvKc8vt5yRO8WZ2NaZJ2Q67qMwkOakvxqdHre5se5\n" \
    "1ELawobVE5Gd1LXcW1MbiHIcV3zSsKmYFqeu9wgEuU/o6G0mrwEcOXPsBPjc8KNJ\n" \
    "o6RUV9aK0WjuHzCgrrKYk3nvjlkiaDj5FFLIu9jtDFCxJ9O/tcOwAGQk/0SfN+tC\n" \
    "4Ee4GttJUhjJJ7vILpzPaeCgW/su/3EA5R4c/1dHgUAip/cbqSPijL78YbFLLxNq\n" \
    "j6NZaktx8aKcqeSTqSvxTrOnXkxmGaLi5tQYjy3Ogz7K3LDkH3mN160YPjnN3Hn7\n" \
    "KxaYaF+0fplXpg2ZoPhd8aAe83hvhjyNsKQ5o3EgPyvs1VAxMfZ73kj9HPr1gnQS\n" \
    "y9Cz6Wb27HznKoIfen9UNbiJiVyI5mEVF5cLIXQb9hgLbmTlAFx9qsg55uvvj9XQ\n" \
    "b8wj7pruWj+UHHnkiaLwhJcLX0JVUABx/oWBqsMs2lrQJTIs2s0ssKtSwmsviWJt\n" \
    "5eXc7XDQuy4QhNuTenGXyXLVq2odJlE1jr1GgpUnFs3efekdojoh6ilq1xEV4NNj\n" \
    "uWYM5LCwNv3Lpilcsx6gYzbQF5HloTsI0PWk4XW/kXIY6qYYEcXZzLeoVC41AGq8\n" \
    "KTb2mWQlS2/D8EDWbqbyi7afTOvVw4oYY0iU7BLF1wh7uCMn/s7GHSXtbEqYx32u\n" \
    "wgdRcqvv5e4u1bkbL4zsjOmhemmQ6QFThiG1cQCpMxMCiPn+5e48CHmONTO7hWwP\n" \
    "4QjTx7O1NpwXJcjNtGhD0Y6gWy1p/WaBxtf6o9bvuDoROS6H6exLZxew7n/l7JBz\n" \
    "zSGf8Mutx6c66xx5pim/81SRjvhRK2IeRHF2g4H1K8rf4Kfe2JKMWV/bKSU8cqiZ\n" \
    "Jusav0dWCApM396txLTAziS/FqwITm8Q44tZQYOy5ZQAUIyv0Ewf1Jdf/oqpM+CL\n" \
    "SEPvvLVqaCV8WSKhoYIDlFekD/o8oxUHEoJ/ZoWeTMP6mKhTGbAs+NB38Vh4FcPn\n" \
    "o4SijEOYhyA0II+Nbma3KcfJHkGzJwltAIv1V2Z55+yZ/A==\n" \
    "-----END ENCRYPTED PRIVATE KEY-----\n"

/* its public half */
#define KEY_PUBLIC \
    "-----BEGIN PUBLIC KEY-----\n" \
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzlgzPl1dYmY+BTuncfG1\n" \
    "lZVaeEBfx1ZOYTV2hN4+vwHGiVv18hw3MZV0ClgQqX81woSK132nCCVyvgagWLx/\n" \
    "cyP1Fdbuf8TxUlB8jnyFlY2SjGDUk6DGt1yN8EuwLhTBPrmQEDS+4Orxjsqxavur\n" \
    "89QYiaH15lsPR6mX9iRYv2wzdPSm8i3qq+2fZ/+Ilk6ABE4Xc/9Ui7Pz18HW6x7E\n" \
    "sWyvDwIt3oqEL2GUSixUddIZuiYtGgXQs1zeXwrF8ep+wS5nUKBf0Tf9vqyZRHtc\n" \
    "fJZgrPzdQfY9B9D/b7/96D4AFZG++P+2P2bT7r4wlYlC3scPKl9+dmODL3U6eJWC\n" \
    "dQIDAQAB\n" \
    "-----END PUBLIC KEY-----\n"

/* another RSA key */
#define KEY_OTHER \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDIQlnoQKhLto65\n" \
    "kch+p34Jk5YzKRBtLRV2rZybXVXrNVR1M4e/DD56UsToo70ZKDhzp/W4PhqXp8mP\n" \
    "P8qJhpOOuL/q5IEHZ9Rxr2RztuRxFG9fII/V2YmVxYZ3lIJuHYs3on10EYsnaLPa\n" \
    "vikQ6zDLPAHadxpqJRoVvwcFMG7pw5me0tC5AAum4V6l5HxZXDuVkGYw3mJIRHF5\n" \
    "VHtm6ol81B4gZAg2qIzTsOjeCf5vaK1CZOT/viq2T40Za0dZdfTAALbN4qWswDaC\n" \
    "oCwJDOvx5mmUA7WOlsReLHqgpEoVq/VgED2E35AyJqsFBeBYuWqizWrgC+GUw806\n" \
    "kDBDJOu7AgMBAAECggEABdQkkMV9AIMmQVF0b/dJDFdO2ltaHote4g7ojX8Ydpmd\n" \
    "RTIEQ/PDx8Sr9Yd6hAZvKjKbzMqF9J8OF0zIhNs1ZUSMVXZkKQaFIO/1cQbEPGRX\n" \
    "X4Hvnc5Qmlre8JESgMj8WdixZRTzo2iBP58kS9lEmM280hKAYtGEolhmiGih+czJ\n" \
    "6vBKL/O78dbybFi/6ufYWCe4+zvGGwAxOykHH2bOfnlVFD1d7ti9ff0R/8SMcy7j\n" \
    "qqxOul0h+kZElwFVZQREc7BP1kpvvHorbyIy/sElMk0WK9yO8OjlvVqD27jJ5B/M\n" \
    "V2sx9vh7bDl3oO5av71AjGjjc3klpsORd1osQyBviQKBgQD3X+EwSBeq+SCjmLkz\n" \
    "xYWrwAc7Utusho374RkYnYngA8Fguxbg4dH9Zq8ACgpUC6oUVwQzL4WknO+/QNxI\n" \
    "kjJvSUV5AS9UY07vNU4edeN8QRfR9a9YRhk/DROyOnVz9Ek0g63m6urXdA7AvT0o\n" \
    "XpM9MYcLiav3TLbOZfoaWnuC0wKBgQDPPejRusycUujBlpLsSg5bwwGZmA3wGZQS\n" \
    "O+4LbWNcMvkqkEFAzVU0zio9iNYZajVBrS0a8Q2ZTZ1sX/vZwd+s7TNrnhgJS97w\n" \
    "BtgKoOY0gzSpEoWlFpZDDUm9bfJ+xfcft1aLMDU48x62Wxy1R8mrk04KeFDeA3EE\n" \
    "Ez4HxuHSeQKBgQDXrez036ZjF1rxyFKRZQIqwP6NJq0JOzfICHaNE64Gdr+/yt8j\n" \
    "q0AfI8woyJhAtvrPSR8MUb6/y2Ts52woie8XQFcmLXZKqVtFDMDTpg11ZHuUQBVl\n" \
    "bZjNdGVb28RUGQVKmBSjZObkevfx7AzKicrua6RG1v3sXCJ2ykrJd2KAqQKBgGXx\n" \
    "gEta5jenmRNRbGiLbVC6NllFsOWAz5PAozI/1vaNpH/Jgi/MUbOuDp1CaH8L/bKW\n" \
    "628rUJMu2Ndsx8iwU8UO0ZKIrC42gi30T+W6jEMcn5TjpZY17CiDqthh8z1lSFDz\n" \
    "sMC7MBMZlOwDGbYa4BtkVKlV0gHEE537kTHmJUORAoGBAPLgfaoeiVz/2mUcyEeH\n" \
    "PhV/DYz8gLXSP3yvYPqlcpOBYhBIa98hbQb57NGcNZquiG3/q4Ru/jUGKEeaisNs\n" \
    "aEoe23s25zalQ4USZdb2Z0lUsW6SacMAjE9qNVGo0xyeCRaUSm9ffujUQ3Du+S9q\n" \
    "7dRvLVNdM9VdaZEsr/2OaT4W\n" \
    "-----END PRIVATE KEY-----\n"

/* RSA with 1024 bits */
#define KEY_SMALL \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAJ2DjjxXnOlL/FoT\n" \
    "OLvNEMA8k3gCjxMp3VQ2wauZgt175IAUyPj1vSm9YWkX5hEnPs9Vtpqq/NoXFZNZ\n" \
    "l4Pcw1scaCYfglCq5NLio1Ls+9SffyRKjRDDWXTZkU2gpAlyCj52x3NU57SySsQd\n" \
    "nVxv/sJOuN8gvMr44abzjVSRgiBjAgMBAAECgYBkOv18imfP0Mlw7ABTCOea3DEe\n" \
    "0coHcMFlQD63GkU6+QZrNk64lW7cq6TbwhhlW+rM9obvHtUtVjklfYI7p3Qre3Mp\n" \
    "8/E+b078uwI0+u4kJs+5Qzd4khjykNbIhEIAo1FRRy14fMAgAQpJi1nPjf/QMA/a\n" \
    "0OkhzcMNJgPjpokNeQJBAMpcxOUhiA3WQcsTQoj9EucmfrdRWvTFoMFliQ5m7Oqg\n" \
    "PqyFPM27wjhpH+bCUpSForVCemaCI4lh35q61QtOUR0CQQDHQ5t6HUsFAAFyniCz\n" \
    "PPpATkjHDq2p4jJPyoX7OY059oihN5nxKfdE9VY4BqLA9tXsl35puirzWIwSX/pD\n" \
    "jP9/AkBWsFUcvzeUjeOThkWrf5aYdTI1f+GSGBNcpg2HoOn/PPR8XXuFuthh6A7l\n" \
    "gPt1aqYgNkFPJpLoqIfstfrMJBm1AkBI4V9iYIhpwcDFzTQkmm7lSjywIZw/AG5q\n" \
    "ZKZwZnJS+uqqHI3/eNvpqtnoD/VDIoTHzfj8boz7CC3jIpuETXO9AkEAll83/63b\n" \
    "LPeUhF14g3P9mtXLlM9rMPipNDnnp5P5T/dN3PGzx3xILOoxQxmOQEgtujS7NN8B\n" \
    "Yakg13TQaZ4Y3w==\n" \
    "-----END PRIVATE KEY-----\n"

/* a key of the curve P-256 */
#define KEY_EC \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8IgHrzwO9avGg6EH\n" \
    "4vzIZ+B9fCBf5Uq4jZomCdvEr9ahRANCAAS9gbEVye1Uwv6idos7lDpKmQ+TS4bb\n" \
    "FAXa8c8zFutKJ1Ha7Oxmp1adoZ24CpkHzhZsFmB5myai7tH8YRowNCdZ\n" \
    "-----END PRIVATE KEY-----\n"

/* RSA that may only sign: -algorithm RSA-PSS */
#define KEY_PSS \
    "-----BEGIN PRIVATE KEY-----\n" \
    "MIIEugIBADALBgkqhkiG9w0BAQoEggSmMIIEogIBAAKCAQEAjQnI345EJ/XV6D+f\n" \
    "8mGjf5AYX+VEY0o65iJO4fe/MNA9EOIXlAD+eE8cTUkVqsZi3uZfAoyjVm3QtM1k\n" \
    "KFDx8HKgS+Nos2spFfXk0oG/WTdF/Ws+QXieAWc/AkbEv/X34R/lX+RXg/OzTjPY\n" \
    "EDEuywu03TJW77w/uDDp3/t7BPOFv77ds/YudaecTBmuRP7mMCOu6Mt9tj2+Jsii\n" \
    "jiUhfCMbHOwryU5PGcPD1iC6jeEoj1OfquEmkrUtFZgr4MlQy7xUA6WxGT1cwkBA\n" \
    "kDLA9H1n7U0K07OXc3Thj9vTA0aOzGXqgDs9uJKQSKffOFejkjzHH4VwYDWrLLv6\n" \
    "KSm8OwIDAQABAoH/ZJkvrkWYV7U1EXODosWbpfrumxGGthhvhB1a82xcv9r7s6jD\n" \
    "9WcmgXa47GdoDQEN6yLNCGrhsCqkGYWaHlrRan0lDC9b5Wq9Seyz49kOb/rJvivA\n" \
    "b1j/wTOwV1W8mmKkOO+HRd6ZWoUSxoHNzousoY3rQKgNwPHrtHWVjy2d+BxFnxga\n" \
    "LOg5jIZ8qWa9fcwuPDg85cYBw0dlm+7NckO2cyMXEhs3y6s+4mE80d55EjgfKb1w\n" \
    "gJVthLc3bAnTHc6km5tZ5ZxCWYtwqUKZ4PpN2btKCct5RBKYaHOA4WOp+FifhQfv\n" \
    "lWym1H1e3AlZ9WUSlelpfAVjCl8k+7HakY3BAoGBAL46P/dxPu8GMOcAW731gnL2\n" \
    "L1KaUY+Lr0N7LxNNmhobHJ/mxQ66SaYM3loPb0QECW+a+qii0IngjhrY5nXCDJ5T\n" \
    "KzCC0wWKq12do26mqnlmo3EeJGCilM5rgessZDP0XTxwGGxP3Y1VdVLVMM3c/ONo\n" \
    "nyqx4Csckep3Ist2geWbAoGBAL3NmsP0eP/82jKmd0bShHsIC0AaTppq7U8V98F4\n" \
    "zvERUtU1CURzjtZCam37icwkfbnSDYkOwwp3oSJOj/+lj+QUZXRkRtCf8wb8YCrh\n" \
    "/cnl2F3BlQU8IYDbTRfZ8au7nr8Prd7nhOUGYsbqV6X5AvGKF93D9eySxNxAVq1Y\n" \
    "6z3hAoGAdo2/B+ugGT92gsEKbBzyK8uaOpTKd/fKRvgiopkejV6QPGeKMF+RPteO\n" \
    "S/qKkY0ihFfGGAtAhG1aowjCuGkzjAixRg6CjVWa70Erde6RGBALlJgAe+lXbD48\n" \
    "PeDwoiCNavlBf19W6Jp2ACW1wNcVFHVDnUw2NSgdGE8fdEZrNjkCgYEAnmXI5AHR\n" \
    "PSkiW6TK5ALp5tcWtH9/26SiuR6HLiII6evgKehh/ItHyA2TTofePsyxU/M1sozs\n" \
    "Pn8JrVzNFbdwtxJCfPj2lEL4CXtzMjZ5mxXDFLNqDv1YpHXgB6it4/jnCWInY1/p\n" \
    "a0yCAKkvTmbaiwMI2d0hDjaKLZlP/Mi5QWECgYEAtZ30Fk+PwcXRfYxwp+6b2NHo\n" \
    "Gqq+gD19ssOJOgGExD7eWYlfXf6omg6/YfE1EFBvnMYQputZ0kHtlvAuW41FUBrm\n" \
    "Ch/0xifJZwYF+bO7QxbDrihzQCmfG9BvBZitGuVh5jfF3AHne8GsB62/hUWuojJX\n" \
    "Bd621hjpYtV8mfhu/kk=\n" \
    "-----END PRIVATE KEY-----\n"

/* 00 01 … 0f for KEY_PUBLIC: openssl pkeyutl -encrypt, OAEP, SHA-256 and MGF1-SHA-256 */
#define WRAPPED_AES_KEY \
    "EDP8PFpoo+U7BbW4g6ueebOJuq0DcSWzKO9PWA1dvw3R4tQztRSLix+5dast2uqWTQIWxE2i6b0C" \
    "V42Tn9nldH439kJwDcxFjBz1VAOR6cbq8DQhS/EWnh54Q1A6b/7yDfbmAkAow8X3o5oovsOcAWt5" \
    "4zeSlt5AJGUIMECnFoIuTXpUr1cVttCLMKnHRjndSIglFViAWFqLqgrOUSVxD2x16CRx+YfyiC8U" \
    "tMmsV4egKwxyPZIGEzM/hs7u7i/rjeb+z2deRgHmHmAyDvj50OYp6VLER8geo4d5ikcNksrwIQon" \
    "29Q3gAyHMNFHZvGDL1drU9S5PpkIzlhX9JWT/Q=="

/* the same with SHA-1 */
#define WRAPPED_SHA1 \
    "fM3Xup8BsL0OM1zgCPflSfe+vF9zzehxA8ehcVO8lTTUijsJPvt+/1SLoRdVX/1Ds/97iY0uWpkP" \
    "6DRDCTi1Xxdx1E7Fj9DJICJW4xQluLNOMSV25QBjKAteCRaCPwlVfy8OQ4I+vl52+Dx+Xz4/xI1p" \
    "uiI38LbruaG1DWoAHzpoAPdsa8+cmJyD7ZN3jPFueR14XLHbZ6vXYhKa/EWOELIC5+mOmqxVVQTi" \
    "ut67GDs10QFSq+ngCsQMfQ+dZGywy+X/ljq9GXd1nbNBCPD59ItpwD9qsiOdlp0pvPQ72iQ2OR/H" \
    "1jxbVp5KDUshPrnbDPN724KKt0415lwamSGkkw=="

/* the same with PKCS#1 v1.5 padding */
#define WRAPPED_PKCS1 \
    "w3M2aA9JRFXABIEZJ0wJbTI/xockiLQ/BwmegEADfG1dF32PhSYLvJIpUH2wapuNKosd1M4sG4MM" \
    "Z7TfibZL5JgR/BUrVfKaRjmLDCmHkYQnW+bfwZ8wm2J4co7WCosbybN1Awvs7PuXMPM8X+v0n0eO" \
    "BxVvs99mh4a766vK046SlZiaNRrAmWGqAXjLfHezaebWYS/EakQc3zcwVNcEydztHWt+1KqVKd4G" \
    "R3NVb1P8cjsv5icQ1JpmoVlNz165CUphlZCvB28/kGRxPRWwtkZxz7RS/7pUSUNDfmE9eaFiA3oB" \
    "vN7xWnIVzNy2lXtALo2tLct98iDXjizZKPfu6Q=="

/* five bytes, OAEP with SHA-256 */
#define WRAPPED_FIVE \
    "cTS+RUnIrj7WKax3fwnwSmw0ZQBVjQLYYxdPwVuNv36biFFQQBLAjzRBciYEXRUtLlWVJvsBgbxh" \
    "okiszgBkWiAXWUxB2hL0G5ExmgXxJkt04LQnUGDld4n90/OJfoy9G8zg36W3lj1xDoMIhRRNfbws" \
    "ea78UBt2sZB/FQaj9s7fZECUHlJlqFag+hBW3mtOQxRXMYeRubDI3xtfFxSvgKYF3NS70agGM4NU" \
    "ZZ2wPivD+2yDlGgCBRrc5LwUNr/UZ3xFyE+IqM0F4dUE3ldAh/t1skvpsLP+uc/l8+2YCP+rKAD1" \
    "T9tsVbnVPMkn1Kes3Vcozd/3XXkUcvFjCIBT2Q=="

/* 00 01 … 1f for KEY_PUBLIC, and a ping under that AES-256 key: Python's cryptography */
#define WRAPPED_LONG_KEY \
    "c2NU9XaVl8L/M//HDAFLzclUzJVUV4kYOGtup+iy64UCvJqIpH0/wrX9xN+WnSyBu2CKNH3NxTRS" \
    "lw5CZhu/OxMeIKPRPCrfqKFTC9IAJuY4pM3rpAYGnl6buFVBtOeBLUsPw8AaqJTZjT+bQCmyBy08" \
    "a/NLBdFP4WdX1DpMCTAWW4EaFmTiXp1LYEcggapGKhX7fUYuEzCftWnt3V4LhJxoKLCfEa62OPa7" \
    "SgxjZAkSNrgL5B1pqxudvtIV0xlCbE2xKGtTUPPdW5f8PN8+hfR+5VUBpbdGrrcBJU3U4LE5Scxg" \
    "W1iPZBynZ1EG+vqO7YMeNGBVSUQBWo1xaWaj0Q=="
#define LONG_KEY_DATA "UYFV2Wq+pBmtvCWT3jq9sq5nIhoKXT7C3yhIxnBbQaVxj9UPwat1PsfHJbHyUsn34g=="

#endif
