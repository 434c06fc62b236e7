/* main: upgrade-receiver is the receiver with no callback filled in. */
#include "config.h"

#include "push_message_receiver.h"

int main(int argc, char **argv)
{
    const struct push_message_receiver receiver = {.application = NULL};
    return push_message_receiver_run(&receiver, argc, argv);
}
