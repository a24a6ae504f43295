#include "frontend/cpu_help.h"

#include <string.h>
#include "cpu/feature.h"

#define COLUMNS 79u

/* A list of words, folded at the margin. */
struct list {
    FILE *out;
    unsigned indent, column;
};

static struct list list_begin(FILE *out, const char *title)
{
    return (struct list){out, (unsigned)strlen(title), (unsigned)fprintf(out, "%s", title)};
}

static void list_word(struct list *l, const char *word)
{
    if (l->column + 1 + strlen(word) > COLUMNS)
        l->column = (unsigned)fprintf(l->out, "\n%*s", (int)l->indent, "") - 1;
    l->column += (unsigned)fprintf(l->out, " %s", word);
}

static void print_model(FILE *out, const struct cpu_model *model)
{
    struct list l;

    fprintf(out, "  %-9s %s\n", model->name, model->title);
    if (!model->features)
        return;
    l = list_begin(out, model->base ? "             +" : "              ");
    for (const enum cpu_feature *f = model->features; *f != FEAT_NONE; f++)
        if (feature_is_choosable(*f))
            list_word(&l, feature_name(*f));
    fputc('\n', out);
}

static void print_features(FILE *out, const char *title, bool is_supported)
{
    struct list l = list_begin(out, title);
    unsigned count = 0;

    for (unsigned i = FEAT_NONE + 1; i < FEAT_COUNT; i++)
        if (feature_is_choosable(i) && feature_is_supported(i) == is_supported) {
            list_word(&l, feature_name(i));
            count++;
        }
    if (!count)
        list_word(&l, "nothing is missing");
    fputc('\n', out);
}

void cpu_help(FILE *out)
{
    fputs("--cpu MODEL[,+FEATURE][,-FEATURE]...\n"
          "+ brings what the feature needs, - takes what needs it.  Models (+: to the one before):\n",
          out);
    for (unsigned i = 0; i < CPU_MODEL_COUNT; i++)
        print_model(out, &cpu_models[i]);
    print_features(out, "Features:        ", true);
    print_features(out, "Not on this host:", false);
}
